/**
 * Values that the host knows: its configured secrets, and canaries, which are planted where nobody has reason to read. They are searched for
 * as they are and in the encodings that text is usually given: base64, hexadecimal, percent signs, escapes of JSON. Runs of the text that
 * could be such an encoding are decoded, whatever stands before or after the value in them, rather than the values encoded.
 */

/** A value with the kind by which a finding of it is known: `secret:payments`, `canary:inbox`. */
export interface KnownValue {
  readonly kind: string;
  readonly value: string;
}

/** A shorter one would be found by chance. */
export const SHORTEST_VALUE = 8;
/** Shorter runs of base64 or hexadecimal hold no key of a known shape. */
const KEY_RUN = 26;
/** Length of the shortest run of base64 in which one of the values, or a key of a known shape, can be. */
export const shortestRun = (values: readonly KnownValue[]): number =>
  Math.min(KEY_RUN, ...values.map(({ value }) => Math.floor((Buffer.byteLength(value) * 4) / 3)));

/**
 * Characters of the longest form in which one of the values is found: each of its characters is six where JSON escapes it (`\u0041`), and each
 * of its bytes three by percent signs; base64 and hexadecimal are shorter.
 */
export const longestForm = (values: readonly KnownValue[]): number =>
  values.reduce((most, { value }) => Math.max(most, 6 * value.length, 3 * Buffer.byteLength(value)), 0);

/** 1: base64 in both alphabets; 2: hexadecimal besides. */
const RUNS = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code);
  return /[0-9a-fA-F]/.test(character) ? 3 : /[A-Za-z0-9+/_-]/.test(character) ? 1 : 0;
});
/** Base64 is often broken into lines; in JSON within a text the breaks are escaped. */
const isBreak = (code: number): boolean => code === 10 || code === 13;

/**
 * The text itself, and what it says where parts of it are decoded.
 * @param shortest characters of a run that is worth decoding
 */
export function* readings(text: string, shortest: number): Generator<string> {
  yield text;
  const plain = text.includes('%') ? percentDecoded(text) : text;
  if (plain !== text) yield plain;
  if (plain.includes('\\u')) yield plain.replaceAll(/\\u([0-9a-fA-F]{4})/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)));
  const [base64, hex] = runsIn(plain, shortest);
  for (const run of base64) {
    const bytes = run.replaceAll('-', '+').replaceAll('_', '/');
    // The encoded value may begin anywhere in the run.
    for (let skip = 0; skip < 4; skip += 1) yield Buffer.from(bytes.slice(skip), 'base64').toString('utf8');
  }
  for (const run of hex)
    for (const skip of [0, 1]) yield Buffer.from(run.slice(skip, run.length - ((run.length - skip) % 2)), 'hex').toString('utf8');
}

/** Invalid sequences are left as they are. */
function percentDecoded(text: string): string {
  const bytes: number[] = [];
  let result = '';
  const flush = () => {
    if (bytes.length === 0) return;
    result += Buffer.from(bytes).toString('utf8');
    bytes.length = 0;
  };
  let from = 0;
  for (let at = text.indexOf('%'); at >= 0; at = text.indexOf('%', from)) {
    const code = text.slice(at + 1, at + 3);
    if (at > from) {
      flush();
      result += text.slice(from, at);
    }
    if (/^[0-9a-fA-F]{2}$/.test(code)) {
      bytes.push(parseInt(code, 16));
      from = at + 3;
    } else {
      flush();
      result += '%';
      from = at + 1;
    }
  }
  flush();
  return result + text.slice(from);
}

function runsIn(text: string, shortest: number): readonly [base64: string[], hex: string[]] {
  const base64: string[] = [];
  const hex: string[] = [];
  collect(text, 1, shortest, base64);
  collect(text, 2, shortest, hex);
  return [base64, hex];
}

/** Runs of one alphabet, without breaks of lines. */
function collect(text: string, alphabet: 1 | 2, shortest: number, runs: string[]): void {
  let run = '';
  let from = -1;
  const end = (at: number) => {
    if (from >= 0) run += text.slice(from, at);
    from = -1;
  };
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (((RUNS[code] ?? 0) & alphabet) !== 0) {
      if (from < 0) from = at;
      continue;
    }
    end(at);
    if (isBreak(code) && run !== '') continue;
    if (run.length >= shortest) runs.push(run);
    run = '';
  }
  end(text.length);
  if (run.length >= shortest) runs.push(run);
}
