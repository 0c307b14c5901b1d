/**
 * Where the values of a run's arguments occurred before: in what its owner asked for, or in the results of which tool. Words are kept as
 * hashes in tables of a fixed size, so of a long past only the latest part is known. Profiles are learned from this and judge by it.
 */
import { mix } from './reading.ts';

/** Slots of each table, a power of two. A new word replaces another one in its slot. */
const SLOTS = 1024;
/** Maximum number of characters that are read of a value, and of words that are looked up for an argument. */
const CHARS_MAX = 8192;
const WORDS_MAX = 64;
const DEPTH_MAX = 6;
/** Maximum number of tools that are told apart, and of calls that wait for results. */
const NAMES_MAX = 200;
const ASKED_MAX = 256;
/** An argument comes from a place if this share of its words occurred there. */
const MOST = 0.8;

export const PROMPT = 'prompt';

interface SavedOrigins {
  readonly names: readonly string[];
  readonly prompt: readonly number[];
  /** Hashes and numbers of the names, alternating. */
  readonly stood: readonly number[];
  readonly asked: readonly (readonly [number, string])[];
}

export class Origins {
  readonly #prompt = new Int32Array(SLOTS);
  readonly #stood = new Int32Array(SLOTS);
  readonly #whose = new Uint8Array(SLOTS);
  readonly #names: string[] = [];
  readonly #asked = new Map<number, string>();

  /** @param name a tool, or `prompt` for what the owner asked for */
  read(name: string, value: unknown): void {
    if (name === PROMPT) {
      words(value, (hash) => void (this.#prompt[hash & (SLOTS - 1)] = hash));
      return;
    }
    let whose = this.#names.indexOf(name);
    if (whose < 0) whose = this.#names.length < NAMES_MAX ? this.#names.push(name) - 1 : NAMES_MAX - 1;
    words(value, (hash) => {
      const slot = hash & (SLOTS - 1);
      // The first place is the origin: a value that was passed on and came back has no new origin.
      if (this.#stood[slot] === hash) return;
      this.#stood[slot] = hash;
      this.#whose[slot] = whose;
    });
  }

  asked(id: number, tool: string): void {
    if (this.#asked.size >= ASKED_MAX) this.#asked.delete(this.#asked.keys().next().value as number);
    this.#asked.set(id, tool);
  }

  answered(id: number, value: unknown): void {
    const tool = this.#asked.get(id);
    this.#asked.delete(id);
    if (tool !== undefined) this.read(tool, value);
  }

  /** For each argument, by path without positions in lists: the places where its value occurred. An empty list: nowhere. */
  of(input: unknown): Record<string, string[]> {
    const found: Record<string, string[]> = Object.create(null) as Record<string, string[]>;
    let looked = 0;
    const visit = (value: unknown, path: string, depth: number): void => {
      if (depth > DEPTH_MAX || looked > WORDS_MAX) return;
      if (Array.isArray(value)) for (const item of value.slice(0, WORDS_MAX)) visit(item, path, depth + 1);
      else if (typeof value === 'object' && value !== null)
        for (const name of Object.keys(value).slice(0, WORDS_MAX))
          visit((value as Record<string, unknown>)[name], path === '' ? name : `${path}.${name}`, depth + 1);
      else if (value !== null && value !== undefined) {
        looked += 1;
        const own = (found[path] ??= []);
        const where = this.#whereOf(value);
        if (where !== undefined && !own.includes(where)) own.push(where);
      }
    };
    visit(input, '', 0);
    return found;
  }

  #whereOf(value: unknown): string | undefined {
    let all = 0;
    let asked = 0;
    let known = 0;
    let whose = -1;
    words(value, (hash) => {
      if (all >= WORDS_MAX) return;
      all += 1;
      const slot = hash & (SLOTS - 1);
      if (this.#prompt[slot] === hash) asked += 1;
      if (this.#stood[slot] !== hash) return;
      known += 1;
      whose = this.#whose[slot] as number;
    });
    if (all === 0) return undefined;
    if (asked >= all * MOST) return PROMPT;
    return known >= all * MOST ? this.#names[whose] : undefined;
  }

  save(): SavedOrigins {
    const stood: number[] = [];
    this.#stood.forEach((hash, slot) => {
      if (hash !== 0) stood.push(hash, this.#whose[slot] as number);
    });
    return { names: [...this.#names], prompt: [...this.#prompt].filter((hash) => hash !== 0), stood, asked: [...this.#asked] };
  }

  static load(saved: SavedOrigins): Origins {
    const made = new Origins();
    made.#names.push(...saved.names);
    for (const hash of saved.prompt) made.#prompt[hash & (SLOTS - 1)] = hash;
    for (let i = 0; i < saved.stood.length; i += 2) {
      const hash = saved.stood[i] as number;
      made.#stood[hash & (SLOTS - 1)] = hash;
      made.#whose[hash & (SLOTS - 1)] = saved.stood[i + 1] as number;
    }
    for (const [id, tool] of saved.asked) made.#asked.set(id, tool);
    return made;
  }
}

/** Calls back with the hash of each word in the texts and numbers of a value, in lower case. Names of members do not count. */
function words(value: unknown, take: (hash: number) => void): void {
  let left = CHARS_MAX;
  const visit = (at: unknown, depth: number): void => {
    if (left <= 0 || depth > DEPTH_MAX) return;
    if (typeof at === 'string') left = read(at, left, take);
    else if (typeof at === 'number' || typeof at === 'boolean') left = read(String(at), left, take);
    else if (Array.isArray(at)) {
      for (const item of at) {
        if (left <= 0) return;
        visit(item, depth + 1);
      }
    } else if (typeof at === 'object' && at !== null) {
      for (const name in at) {
        if (left <= 0) return;
        visit((at as Record<string, unknown>)[name], depth + 1);
      }
    }
  };
  visit(value, 0);
}

/**
 * Reads the words of a text. A word extends from a letter or digit to the last one before a blank, quote, bracket or comma. @returns how
 * many characters may still be read
 */
function read(text: string, left: number, take: (hash: number) => void): number {
  const length = Math.min(text.length, left);
  let hash = 0;
  let whole = 0;
  let size = 0;
  let end = 0;
  for (let i = 0; i <= length; i++) {
    const code = i === length ? 32 : text.charCodeAt(i);
    const kind = code < 128 ? (KINDS[code] as number) : WORD;
    if (kind === BREAK) {
      if (whole !== 0) take(mix(whole, end) || 1);
      hash = whole = size = end = 0;
      continue;
    }
    if (hash === 0) {
      if (kind !== WORD) continue;
      hash = 0x811c_9dc5 | 0;
    }
    const lower = code >= 65 && code <= 90 ? code + 32 : code;
    hash = Math.imul(hash ^ lower, 0x0100_0193);
    size += 1;
    // A full stop or colon at the end is not part of the word.
    if (kind === WORD) {
      whole = hash;
      end = size;
    }
  }
  return left - length - 1;
}

const WORD = 1;
const BREAK = 2;
/** The kind of each ASCII character: part of a word, separator, or part of a word only in its middle. */
const KINDS = Uint8Array.from({ length: 128 }, (_, code) => {
  const char = String.fromCharCode(code);
  if (/[a-z0-9]/iu.test(char)) return WORD;
  return code <= 32 || `"'<>()[]{},;|\u0060`.includes(char) ? BREAK : 0;
});
