/**
 * Reads a JSON value once and extracts what detectors need: a digest that ignores key order, white space, case and volatile fields, and
 * hashed words and word pairs. The work is bounded for values of any size.
 */
import { JSON_MAX_DEPTH } from '@corral/protocol/json';

/** Maximum number of tokens of a reading. */
export const TOKENS_MAX = 192;
/** Characters that are read at the head and the tail of a longer text; its length counts too. */
const HEAD_CHARS = 1024;
const TAIL_CHARS = 256;
/**
 * Maximum number of strings, members and items of a reading, and of its characters; strings after that are read only at their beginning.
 */
const NODES_MAX = 256;
const CHARS_MAX = 4096;
const LATER_CHARS = 64;

const PRIME = 16_777_619;
const VOLATILE = 0x5eed_1e55 | 0;

/** Names of members whose value differs with every request and does not say what is asked. */
const VOLATILE_KEY =
  /^(?:x[-_]?)?(?:(?:request|trace|span|correlation|message|transaction|session)[-_]?id|idempotency[-_]?key|nonce|etag|timestamp|ts|now|time[-_]?stamp|(?:requested|fetched|generated|served|retrieved)[-_]?at|cache[-_]?buster|elapsed(?:[-_]?ms)?|duration(?:[-_]?ms)?|took(?:[-_]?ms)?)$/i;
/** UUIDs, and times finer than a second, which are not asked for twice on purpose. */
const VOLATILE_TEXT =
  /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,]\d+(?:Z|[+-]\d\d:?\d\d)?/gi;
/** The same for results, where a time in seconds is when the result was made. */
const VOLATILE_RESULT =
  /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?/gi;
/** Names of members that say which part of a longer answer is asked for. */
const PAGE_KEY =
  /^(?:page|page[-_]?(?:no|num|number|index|token)|offset|skip|start|start[-_]?(?:index|at)|from|cursor|after|before|since[-_]?id|max[-_]?id|continuation(?:[-_]?token)?|next(?:[-_]?(?:page|token|cursor))?|marker|position|line|chunk)$/i;

/** Words with which a short answer reports a failure, and a message another attempt. */
const FAILURE_WORDS =
  'error errors failed failure fails unable cannot couldn invalid denied insufficient incorrect unavailable unsuccessful unsuccessfully exception refused timeout timed missing unknown rejected unauthorized forbidden';
const RETRY_WORDS =
  'again instead alternative alternatively different retry another continue proceed try ensure specifically directly refine rerun';

export interface Reading {
  /** 32 bits; equal for values that differ only in key order, spacing, case and volatile fields. */
  digest: number;
  /** The digest without members that select a page; 0 if there are none. */
  pageless: number;
  /** The value was not read completely: values with the same `digest` may differ. */
  cut: boolean;
  /** Number of `tokens` that are filled. */
  count: number;
  /** Number of words of failure, and of trying again. */
  failing: number;
  retrying: number;
  /** Hashed words and word pairs, in order. The buffer belongs to the reader; its next reading overwrites it. */
  readonly tokens: Int32Array;
}

export const mix = (a: number, b: number): number => {
  let h = Math.imul(a ^ (b + 0x9e37_79b9 + (a << 6) + (a >>> 2)), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return h ^ (h >>> 16);
};

const keys = new Map<string, { hash: number; volatile: boolean; page: boolean }>();
const KEYS_MAX = 2048;
/** The meaning of a member's name, cached because names recur. */
function keyOf(name: string) {
  let key = keys.get(name);
  if (key === undefined) {
    const short = name.length <= 64;
    key = { hash: hashText(name), volatile: short && VOLATILE_KEY.test(name), page: short && PAGE_KEY.test(name) };
    // Entries of the cache can be computed again.
    if (keys.size >= KEYS_MAX) keys.clear();
    if (short) keys.set(name, key);
  }
  return key;
}

export function hashText(text: string): number {
  let h = 0x811c_9dc5 | 0;
  const length = Math.min(text.length, HEAD_CHARS);
  for (let i = 0; i < length; i++) h = Math.imul(h ^ text.charCodeAt(i), PRIME);
  return mix(h, text.length);
}

function wordHash(word: string): number {
  let h = 0x811c_9dc5;
  for (let i = 0; i < word.length; i++) h = Math.imul(h ^ word.charCodeAt(i), PRIME);
  return mix(h, word.length);
}
const CUES = new Map<number, 1 | 2>([
  ...FAILURE_WORDS.split(' ').map((word) => [wordHash(word), 1] as const),
  ...RETRY_WORDS.split(' ').map((word) => [wordHash(word), 2] as const),
]);
/** Most words are not a cue; this table says so with one access. */
const MAYBE_CUE = new Uint8Array(1024);
for (const hash of CUES.keys()) MAYBE_CUE[hash & 1023] = 1;

/** A reader owns the buffer of its readings. One reader serves a whole process: nothing that it keeps can affect a result. */
export class Reader implements Reading {
  digest = 0;
  pageless = 0;
  cut = false;
  count = 0;
  failing = 0;
  retrying = 0;
  readonly tokens = new Int32Array(TOKENS_MAX);
  #nodes = 0;
  #chars = 0;
  #previous = 0;
  #paged = false;
  #volatile = VOLATILE_TEXT;

  /** Reads a value. `of`: something that was asked, or a result, in which more counts as volatile. */
  read(value: unknown, of: 'asked' | 'result'): Reading {
    this.count = 0;
    this.failing = 0;
    this.retrying = 0;
    this.#nodes = 0;
    this.#chars = 0;
    this.cut = false;
    this.#previous = 0;
    this.#paged = false;
    this.#volatile = of === 'asked' ? VOLATILE_TEXT : VOLATILE_RESULT;
    this.pageless = 0;
    this.digest = this.#value(value, 0, true);
    if (!this.#paged) this.pageless = 0;
    return this;
  }

  #value(value: unknown, depth: number, top = false): number {
    if (this.#nodes++ > NODES_MAX || depth > JSON_MAX_DEPTH) {
      this.cut = true;
      return 7;
    }
    switch (typeof value) {
      case 'string':
        return this.#text(value);
      case 'number': {
        // A time in milliseconds since the epoch, between 2008 and 2049.
        const h = Number.isInteger(value) && value > 1_200_000_000_000 && value < 2_500_000_000_000 ? VOLATILE : hashNumber(value);
        this.#token(h);
        return h;
      }
      case 'boolean':
        return value ? 11 : 13;
      case 'object':
        break;
      default:
        return 17;
    }
    if (value === null) return 19;
    if (Array.isArray(value)) {
      let h = 23;
      for (const item of value) {
        if (this.#nodes > NODES_MAX) {
          this.cut = true;
          break;
        }
        h = mix(h, this.#value(item, depth + 1));
      }
      return mix(h, value.length);
    }
    // Addition is commutative, so the keys need no sorting.
    let sum = 29;
    let pageless = 29;
    for (const name in value) {
      if (this.#nodes > NODES_MAX) {
        this.cut = true;
        break;
      }
      const member = (value as Record<string, unknown>)[name];
      if (member === undefined) continue;
      const key = keyOf(name);
      if (key.volatile) continue;
      this.#previous = key.hash;
      const h = mix(key.hash, this.#value(member, depth + 1));
      sum = (sum + h) | 0;
      if (key.page) this.#paged = true;
      else pageless = (pageless + h) | 0;
    }
    if (top) this.pageless = pageless;
    return mix(sum, 31);
  }

  #token(h: number): void {
    if (this.count + 2 > TOKENS_MAX) return;
    if (this.#previous !== 0) this.tokens[this.count++] = mix(this.#previous, h);
    this.tokens[this.count++] = h;
    this.#previous = h;
  }

  #text(given: string): number {
    let text = given;
    if (this.#chars > CHARS_MAX && text.length > LATER_CHARS) text = text.slice(0, LATER_CHARS);
    else if (text.length > HEAD_CHARS + TAIL_CHARS) text = `${text.slice(0, HEAD_CHARS)} ${text.slice(-TAIL_CHARS)}`;
    this.#chars += text.length;
    const cut = text !== given;
    this.cut ||= cut;
    if (text.length >= 22) text = text.replace(this.#volatile, '\u0001');
    let digest = 37;
    let h = 0;
    let length = 0;
    let digits = 0;
    let hex = true;
    for (let i = 0; i <= text.length; i++) {
      let c = i < text.length ? text.charCodeAt(i) : 32;
      if (c >= 65 && c <= 90) c += 32;
      const digit = c >= 48 && c <= 57;
      if (digit || (c >= 97 && c <= 122) || c >= 128) {
        h = Math.imul((length === 0 ? 0x811c_9dc5 : h) ^ c, PRIME);
        length++;
        if (digit) digits++;
        else if (c > 102) hex = false;
        continue;
      }
      if (length > 0) {
        const id = (hex && length >= 24 && digits >= 6) || (digits === 13 && length === 13);
        const word = id ? VOLATILE : mix(h, length);
        digest = mix(digest, word);
        // Very short words carry no meaning of their own.
        if (length > 2 || digits > 0) this.#token(word);
        if (MAYBE_CUE[word & 1023] === 1) {
          const cue = CUES.get(word);
          if (cue === 1) this.failing++;
          else if (cue === 2) this.retrying++;
        }
        length = 0;
        digits = 0;
        hex = true;
      }
      // Punctuation can matter ("-5", "a/b"); white space and quotes do not.
      if (c > 32 && c !== 34 && c !== 39) digest = mix(digest, c);
    }
    return cut ? mix(digest, given.length) : digest;
  }
}

function hashNumber(value: number): number {
  if (Number.isInteger(value) && Math.abs(value) < 0x4000_0000) return mix(0x6e75, value);
  return hashText(String(value));
}
