/**
 * The span of a caller, as `traceparent` of W3C Trace Context says it. The run that the caller submitted links to it: a link, and not a parent, since a
 * run may take days and the caller's trace is over by then.
 *
 * Source: w3.org/TR/trace-context, "traceparent header"
 */
const FORM = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:$|-)/;

/** Hexadecimal digits of 32 bits. */
const WORD_CHARS = 8;

/** Trace and span as six numbers of 32 bits. */
export type Caller = readonly [number, number, number, number, number, number];

/** @returns undefined for a text that is none: such a header is ignored */
export function callerIn(traceparent: string | undefined): Caller | undefined {
  const found = FORM.exec(traceparent ?? '');
  if (found === null) return undefined;
  const text = `${found[1]}${found[2]}`;
  return Array.from({ length: 6 }, (_, i) => Number.parseInt(text.slice(i * WORD_CHARS, (i + 1) * WORD_CHARS), 16)) as unknown as Caller;
}

/** Ids from such numbers. */
export function idOf(words: readonly number[]): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(words.length * 4));
  for (const [i, word] of words.entries()) bytes.setUint32(i * 4, word);
  return new Uint8Array(bytes.buffer);
}

/** Characters of a `traceparent` up to its flags; later versions may go on behind them. */
const HEADER_CHARS = 55;
/** The part of a header that is kept with a run; undefined for one that cannot be read. */
export const keptOf = (traceparent: string | undefined): string | undefined =>
  callerIn(traceparent) === undefined ? undefined : traceparent?.slice(0, HEADER_CHARS);
