/**
 * Records of the log: lines of a host, and lines that agents write. One crosses from the host's thread as a text, the JSON of its body and attributes,
 * so a long one is cut before that.
 *
 * Source: opentelemetry.io/docs/specs/otel/logs/data-model
 */
import { TELEMETRY } from '@corral/protocol/limits-telemetry';
import type { Attributes, Value } from './span.ts';

export interface LogRecord {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly severity: number;
  readonly body: string;
  readonly attributes: Attributes;
  /** The trace of the run that it is about, and the span of that run. */
  readonly trace: Uint8Array | undefined;
  readonly span: Uint8Array | undefined;
}

/** Numbers of severities, by the names of levels. */
export const SEVERITY: Readonly<Record<string, number>> = { trace: 1, debug: 5, info: 9, warn: 13, error: 17, fatal: 21 };
export const severityName = (severity: number): string =>
  Object.entries(SEVERITY)
    .find(([, number]) => number === severity)?.[0]
    .toUpperCase() ?? '';

/** Characters of a body, and of the value of an attribute, and attributes of a record. A character takes up to three bytes, and JSON may double one. */
const BODY_CHARS = TELEMETRY.log_bytes.default / 8;
const VALUE_CHARS = 200;
const MOST_ATTRIBUTES = 16;
const MOST_BYTES = TELEMETRY.log_bytes.default;

const cut = (text: string, most: number) => (text.length > most ? `${text.slice(0, most)}…` : text).toWellFormed();

/** A record as the text that crosses; see `logIn`. @param fields values that are texts, numbers or truth values become attributes */
export function logText(body: string, fields: Readonly<Record<string, unknown>>): string {
  const attributes = Object.entries(fields)
    .filter((entry): entry is [string, Value] => ['string', 'number', 'boolean'].includes(typeof entry[1]))
    .slice(0, MOST_ATTRIBUTES)
    .map(([name, value]) => [cut(name, VALUE_CHARS), typeof value === 'string' ? cut(value, VALUE_CHARS) : value]);
  const text = JSON.stringify([cut(body, BODY_CHARS), attributes]);
  return Buffer.byteLength(text) <= MOST_BYTES ? text : JSON.stringify([cut(body, BODY_CHARS / 2), []]);
}

/** @throws SyntaxError for a text that is none of `logText` */
export function logIn(text: string): Pick<LogRecord, 'body' | 'attributes'> {
  const [body, attributes] = JSON.parse(text) as [string, [string, Value][]];
  return { body, attributes };
}
