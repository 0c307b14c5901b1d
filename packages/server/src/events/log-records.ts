/** Lines of a host's log as records of OpenTelemetry. */
import { RunId } from '@corral/protocol/ids';
import type { FactWriter } from '@corral/telemetry/facts';
import { logText, SEVERITY } from '@corral/telemetry/log';
import type { Line } from './log-tap.ts';

const ERROR = 17;

/** @param redact takes secrets out of a text @param now milliseconds since 1970 */
export const logRecords =
  (facts: FactWriter, redact: (text: string) => string, now: () => number) =>
  ({ level, message, fields }: Line): void => {
    const { run, trace_id: _, err, error = err, data, ...rest } = fields;
    const about = { ...rest, ...errorFields(error), ...flat('data', data) };
    const clean = Object.entries(about).map(([name, value]) => [name, typeof value === 'string' ? redact(value) : value] as const);
    const id = RunId.safeParse(run).data;
    facts.log(id, now(), SEVERITY[level] ?? ERROR, logText(redact(message), Object.fromEntries(clean)));
  };

function errorFields(error: unknown): Record<string, unknown> {
  if (error instanceof Error) return { 'exception.type': error.name, 'exception.message': error.message };
  return error === undefined ? {} : flat('error', error);
}

/** The members of an object by their paths; a value that is none by its name. */
function flat(name: string, value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return value === undefined ? {} : { [name]: value };
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [`${name}.${key}`, one]));
}
