/**
 * Texts as bytes: their lengths, the texts as they were received, then the positions of the pieces that were cut out. Texts are
 * not nested in one JSON, so that none is escaped and replay can pass them on without parsing.
 */
import type { Entry } from '@corral/protocol/model/run';

/**
 * A piece that is stored as a blob: the text it belongs to, its position in what is left of that text, and the id and key of the
 * blob.
 */
export interface Cut {
  readonly text: number;
  readonly at: number;
  /** Content id and key of the blob, as base64url. */
  readonly id: string;
  readonly key: string;
  /** Levels of blobs below it; 0: it holds the text itself. */
  readonly height: number;
}
export type Texts = readonly (string | undefined)[];

const ABSENT = 0xffff_ffff;
const LENGTH_BYTES = 4;

export function encodeTexts(texts: Texts, cuts: readonly Cut[] = []): Buffer {
  const tail =
    cuts.length === 0
      ? ''
      : JSON.stringify(cuts.map(({ text, at, id, key, height }) => (height === 0 ? [text, at, id, key] : [text, at, id, key, height])));
  const lengths = texts.map((text) => (text === undefined ? 0 : Buffer.byteLength(text)));
  let at = texts.length * LENGTH_BYTES;
  const bytes = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + length, at) + Buffer.byteLength(tail));
  for (const [i, text] of texts.entries()) {
    const length = lengths[i] as number;
    bytes.writeUInt32LE(text === undefined ? ABSENT : length, i * LENGTH_BYTES);
    if (text !== undefined) bytes.write(text, at);
    at += length;
  }
  bytes.write(tail, at);
  return bytes;
}

/** @param count how many texts were encoded */
export function decodeTexts(bytes: Buffer, count: number): { texts: (string | undefined)[]; cuts: Cut[] } {
  let at = count * LENGTH_BYTES;
  const texts: (string | undefined)[] = [];
  for (let i = 0; i < count; i++) {
    const length = bytes.readUInt32LE(i * LENGTH_BYTES);
    if (length === ABSENT) {
      texts.push(undefined);
      continue;
    }
    texts.push(bytes.toString('utf8', at, at + length));
    at += length;
  }
  if (at === bytes.length) return { texts, cuts: [] };
  const tail = JSON.parse(bytes.toString('utf8', at)) as [number, number, string, string, number?][];
  return { texts, cuts: tail.map(([text, position, id, key, height = 0]) => ({ text, at: position, id, key, height })) };
}

export const ENTRY_TEXTS = 3;

export function entryTexts({ delivery, effects, decisions, event, decide_us, queued_ms, inbox, private_to }: Entry): Texts {
  const rest = JSON.stringify({
    ...(decisions.length === 0 ? {} : { decisions }),
    ...(event === undefined ? {} : { event }),
    ...(decide_us === undefined ? {} : { decide_us }),
    ...(queued_ms === undefined ? {} : { queued_ms }),
    ...(inbox === undefined ? {} : { inbox }),
    ...(private_to === undefined ? {} : { private_to }),
  });
  return [delivery, effects, rest];
}

export function entryOf(
  row: { readonly seq: number; readonly at: number; readonly cpu_us: number },
  [delivery, effects, rest]: Texts,
): Entry {
  const {
    decisions = [],
    event,
    ...more
  } = JSON.parse(rest ?? '{}') as Partial<Pick<Entry, 'decisions' | 'event' | 'decide_us' | 'queued_ms' | 'inbox' | 'private_to'>>;
  return { seq: row.seq, at: row.at, delivery, effects, decisions, event, cpu_us: row.cpu_us, ...more };
}
