/** Describes the sender of telemetry: the name and version of the service, which of its processes it is, and what the environment adds. */
import type { Resource } from './otlp/messages.ts';

/** Variables of the environment that OpenTelemetry has for this. */
const NAME_ENV = 'OTEL_SERVICE_NAME';
const ATTRIBUTES_ENV = 'OTEL_RESOURCE_ATTRIBUTES';

/**
 * Attributes of the environment: `key=value` pairs between commas, with percent-encoding in the values.
 * @returns nothing for a text that cannot be read as a whole, as the specification wants
 * Source: opentelemetry.io/docs/specs/otel/resource/sdk, "Specifying resource information via an environment variable"
 */
function attributesIn(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const pair of text.split(',')) {
    if (pair.trim() === '') continue;
    const at = pair.indexOf('=');
    const key = pair.slice(0, Math.max(0, at)).trim();
    if (key === '') return new Map();
    try {
      found.set(key, decodeURIComponent(pair.slice(at + 1).trim()));
    } catch {
      return new Map();
    }
  }
  return found;
}

/**
 * The resource of a host.
 * @param instance tells the processes of one service apart: without it, backends take the figures of two hosts, or of one before and after a
 * start, for one series that jumps
 */
export function resourceOf(
  env: Readonly<Record<string, string | undefined>>,
  { version, instance }: { readonly version: string; readonly instance: string },
): Resource {
  const own = [
    ['service.name', 'corral'],
    ['service.version', version],
    ['service.instance.id', instance],
  ] as const;
  const name = env[NAME_ENV] ?? '';
  const attributes = new Map<string, string>([
    ...own,
    ...attributesIn(env[ATTRIBUTES_ENV] ?? ''),
    ...(name === '' ? [] : [['service.name', name] as const]),
  ]);
  return { attributes: [...attributes], version };
}
