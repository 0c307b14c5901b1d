/** Where telemetry goes, as one line for `up` and `doctor`. */
import type { Config } from './schema.ts';

export function telemetryLine({ telemetry }: Pick<Config, 'telemetry'>): string {
  if (telemetry === undefined) return 'Telemetry: off (telemetry: {} turns it on).';
  const { otlp, sample, content, logs } = telemetry;
  if (otlp === undefined) return 'Telemetry: figures at /metrics.';
  const share = sample === 1 ? 'all families' : `${Math.round(sample * 10_000) / 100} % of families, and of errors and stops all`;
  const with_content =
    content === false ? '' : content === true ? ', with what calls say,' : `, with what calls of ${content.join(', ')} say,`;
  return `Telemetry: figures at /metrics; spans of ${share}${with_content}${logs ? ' and the log' : ''} go to ${new URL(otlp.url).origin}.`;
}
