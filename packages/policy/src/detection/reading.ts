/**
 * Reads a JSON value once and says what the detectors need of it: a digest in which key order, white space, case and
 * volatile fields do not count, and the hashed words and word pairs in it. Work is bounded whatever the value's size.
 */
import { JSON_MAX_DEPTH } from '@corral/protocol/json';

/** Most tokens one reading yields. */
export const TOKENS_MAX = 192;
/** Of a longer text, the head and the tail are read, and its length counts. */
const HEAD_CHARS = 1024;
const TAIL_CHARS = 256;
/** Strings, members and items that one reading visits, and characters it reads in all; later strings are read by their beginning. */
const NODES_MAX = 256;
const CHARS_MAX = 4096;
const LATER_CHARS = 64;

const PRIME = 16_777_619;
const VOLATILE = 0x5eed_1e55 | 0;

/** Members whose value differs from one asking to the next and says nothing about what was asked. */
const VOLATILE_KEY =
  /^(?:x[-_]?)?(?:(?:request|trace|span|correlation|message|transaction|session)[-_]?id|idempotency[-_]?key|nonce|etag|timestamp|ts|now|time[-_]?stamp|(?:requested|fetched|generated|served|retrieved)[-_]?at|cache[-_]?buster|elapsed(?:[-_]?ms)?|duration(?:[-_]?ms)?|took(?:[-_]?ms)?)$/i;
/** UUIDs, and points in time finer than a second: nobody asks for those twice on purpose. */
const VOLATILE_TEXT =
  /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,]\d+(?:Z|[+-]\d\d:?\d\d)?/gi;
/** In what comes back, a point in time to the second is when it was made. */
const VOLATILE_RESULT =
  /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?/gi;
/** Members that say which part of a longer answer is asked for. */
const PAGE_KEY =
  /^(?:page|page[-_]?(?:no|num|number|index|token)|offset|skip|start|start[-_]?(?:index|at)|from|cursor|after|before|since[-_]?id|max[-_]?id|continuation(?:[-_]?token)?|next(?:[-_]?(?:page|token|cursor))?|marker|position|line|chunk)$/i;

/** Words by which a short answer says that it failed, and a message that something is tried once more. */
const FAILURE_WORDS =
  'error errors failed failure fails unable cannot couldn invalid denied insufficient incorrect unavailable unsuccessful unsuccessfully exception refused timeout timed missing unknown rejected unauthorized forbidden';
const RETRY_WORDS =
  'again instead alternative alternatively different retry another continue proceed try ensure specifically directly refine rerun';

export interface Reading {
  /** 32 bits; equal for values that are the same but for order of keys, spacing, case and volatile fields. */
  digest: number;
  /** The same without the members that only turn pages, and 0 if there are none. */
  pageless: number;
  /** Not all of the value was read: what is the same by `digest` may differ. */
  cut: boolean;
  /** How many of `tokens` are filled. */
  count: number;
  /** Words of failure, and of trying again. */
  failing: number;
  retrying: number;
  /** Hashed words and word pairs in order; of the reader, overwritten by its next reading. */
  readonly tokens: Int32Array;
}

export const mix = (a: number, b: number): number => {
  let h = Math.imul(a ^ (b + 0x9e37_79b9 + (a << 6) + (a >>> 2)), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return h ^ (h >>> 16);
};

const keys = new Map<string, { hash: number; volatile: boolean; page: boolean }>();
const KEYS_MAX = 2048;
/** What a member's name means; the same names come again and again, so it is remembered. */
function keyOf(name: string) {
  let key = keys.get(name);
  if (key === undefined) {
    const short = name.length <= 64;
    key = { hash: hashText(name), volatile: short && VOLATILE_KEY.test(name), page: short && PAGE_KEY.test(name) };
    // The cache holds only what can be computed again.
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
/** Most words are no cue, and one look here says so. */
const MAYBE_CUE = new Uint8Array(1024);
for (const hash of CUES.keys()) MAYBE_CUE[hash & 1023] = 1;

/** A reader owns the buffer its readings are in: one is enough for a process, and what it keeps cannot be seen in a result. */
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

  /** `of` says whether the value is what was asked or what came back: there, more counts as volatile. */
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
        // Milliseconds since the epoch, give or take some decades.
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
    // Addition does not care for order, so keys need no sorting.
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
        // Very short words join sentences and carry nothing.
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
      // Signs are part of what is meant ("-5", "a/b"); white space and quotes are not.
      if (c > 32 && c !== 34 && c !== 39) digest = mix(digest, c);
    }
    return cut ? mix(digest, given.length) : digest;
  }
}

function hashNumber(value: number): number {
  if (Number.isInteger(value) && Math.abs(value) < 0x4000_0000) return mix(0x6e75, value);
  return hashText(String(value));
}
