/** Where the host's log goes: lines of JSON for machines, or lines that people read where stderr is a terminal. */
import { styleText } from 'node:util';
import { pino, type DestinationStream, type Logger } from 'pino';
import { MACHINE } from '@corral/protocol/limits';
import { printable } from '@corral/protocol/printable';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** How long the end of a host waits for a slow reader of its last lines. */
const FLUSH_MS = 1_000;

/**
 * A reader of the stream that stands still does not hold up the host: Node keeps lines for it in memory, and those beyond the limit are
 * dropped.
 * @param pretty lines for people
 */
export function hostLogger(level: LogLevel, stream: NodeJS.WriteStream, pretty: boolean): Logger {
  const lines: DestinationStream = {
    write: (line) => {
      if (stream.writableLength < MACHINE.log_buffer_bytes.default) stream.write(pretty ? `${prettyLine(line, stream)}\n` : line);
    },
  };
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, lines);
}

/** Waits until the stream has taken what was written to it, but not for long. */
export async function flushed(stream: NodeJS.WriteStream): Promise<void> {
  await Promise.race([
    new Promise<void>((done) => void stream.write('', () => done())),
    new Promise<void>((done) => void setTimeout(done, FLUSH_MS).unref()),
  ]);
}

const NAMES: Readonly<Record<number, readonly [string, Parameters<typeof styleText>[0]]>> = {
  20: ['debug', 'dim'],
  30: ['info', 'cyan'],
  40: ['warn', 'yellow'],
  50: ['error', 'red'],
  60: ['fatal', 'red'],
};

/** `12:03:04Z info  run.ended  run_…  hello  ended_as=completed` */
export function prettyLine(line: string, stream?: NodeJS.WriteStream): string {
  const paint = (style: Parameters<typeof styleText>[0], text: string) =>
    stream === undefined ? text : styleText(style, text, { stream });
  const { level, time, msg, err, error, data, event: _, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const [name, colour] = NAMES[Number(level)] ?? ['', 'dim'];
  const { method, route, status, took_ms, by, run, agent, ...others } = rest;
  const request =
    msg === 'request' ? [`${text(method)} ${text(route)}`, String(status), `${text(took_ms)} ms`] : [msg === undefined ? '' : text(msg)];
  const facts = [...request, run, agent, by].filter((one) => one !== undefined && one !== '').map((one) => text(one));
  const more = Object.entries({ ...others, ...(isObject(data) ? data : data === undefined ? {} : { data }) })
    .filter(([, value]) => value !== null)
    .map(([key, value]) => paint('dim', `${text(key)}=`) + text(value));
  const said = [err, error].filter((one) => one !== undefined).flatMap((one) => stackOf(one));
  const head = `${paint('dim', `${text(time).slice(11, 19)}Z`)} ${paint(colour, name.padEnd(5))} ${[...facts, ...more].join('  ')}`;
  return [head, ...said.map((one) => `    ${one}`)].join('\n');
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The stack of an error, or its text, by lines. */
function stackOf(error: unknown): string[] {
  const found = isObject(error) ? (error['stack'] ?? error['message'] ?? JSON.stringify(error)) : error;
  return String(found)
    .split('\n')
    .map((line) => text(line));
}

/** Names and messages of strangers must not steer the terminal. */
const text = (value: unknown): string => printable(typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));
