/**
 * Figures as Prometheus reads them, in its text format 0.0.4. Names follow the translation that OpenTelemetry prescribes: dots become
 * underscores, and units and `_total` are part of the name.
 */
import type { Figure, Series } from './figures.ts';
import type { Instrument } from './names.ts';

export const TEXT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Units whose name is part of a name; those in braces are annotations, and are not. */
const UNITS: Readonly<Record<string, string>> = { s: '_seconds', By: '_bytes' };

export function prometheusName({ name, unit, kind }: Pick<Instrument, 'name' | 'unit' | 'kind'>): string {
  return `${name.replaceAll(/[^a-zA-Z0-9_]/g, '_')}${UNITS[unit] ?? ''}${kind === 'counter' ? '_total' : ''}`;
}

const labelName = (name: string): string => name.replaceAll(/[^a-zA-Z0-9_]/g, '_');
const escaped = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
const help = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');

function labelled(names: readonly string[], values: readonly string[], more?: string): string {
  const pairs = names.map((name, i) => `${labelName(name)}="${escaped(values[i] ?? '')}"`);
  if (more !== undefined) pairs.push(more);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function histogramLines(name: string, { instrument, bounds }: Figure, { labels, values }: Series, lines: string[]): void {
  let sum = 0;
  for (const [i, bound] of [...bounds, Number.POSITIVE_INFINITY].entries()) {
    sum += values[i] ?? 0;
    const le = `le="${bound === Number.POSITIVE_INFINITY ? '+Inf' : String(bound)}"`;
    lines.push(`${name}_bucket${labelled(instrument.labels, labels, le)} ${sum}`);
  }
  const own = labelled(instrument.labels, labels);
  lines.push(`${name}_sum${own} ${values[bounds.length + 1]}`, `${name}_count${own} ${values[bounds.length + 2]}`);
}

export function prometheusText(figures: readonly Figure[]): string {
  const lines: string[] = [];
  for (const figure of figures) {
    const { instrument, series } = figure;
    const name = prometheusName(instrument);
    lines.push(`# HELP ${name} ${help(instrument.about)}`, `# TYPE ${name} ${instrument.kind}`);
    for (const one of series) {
      if (instrument.kind === 'histogram') histogramLines(name, figure, one, lines);
      else lines.push(`${name}${labelled(instrument.labels, one.labels)} ${one.values[0]}`);
    }
  }
  return `${lines.join('\n')}\n`;
}
