/**
 * Where the values of a run's arguments stood before: in what its owner asked for, or in the results of which tool. By hashes of
 * words in tables of a fixed size: of a long past the latest part is known. A profile learns from this and judges by it.
 */
import { mix } from './reading.ts';

/** Slots of each table, a power of two. A word that falls on another one's slot takes its place. */
const SLOTS = 1024;
/** How much of one value is read, and how many words of an argument are looked up. */
const CHARS_MAX = 8192;
const WORDS_MAX = 64;
const DEPTH_MAX = 6;
/** Tools that are told apart; calls whose results are awaited. */
const NAMES_MAX = 200;
const ASKED_MAX = 256;
/** Share of an argument's words that must stand in one place. */
const MOST = 0.8;

export const PROMPT = 'prompt';

interface SavedOrigins {
  readonly names: readonly string[];
  readonly prompt: readonly number[];
  /** Hash and number of the name, by turns. */
  readonly stood: readonly number[];
  readonly asked: readonly (readonly [number, string])[];
}

export class Origins {
  readonly #prompt = new Int32Array(SLOTS);
  readonly #stood = new Int32Array(SLOTS);
  readonly #whose = new Uint8Array(SLOTS);
  readonly #names: string[] = [];
  readonly #asked = new Map<number, string>();

  /** @param name `prompt` for what the owner asked for */
  read(name: string, value: unknown): void {
    if (name === PROMPT) {
      words(value, (hash) => void (this.#prompt[hash & (SLOTS - 1)] = hash));
      return;
    }
    let whose = this.#names.indexOf(name);
    if (whose < 0) whose = this.#names.length < NAMES_MAX ? this.#names.push(name) - 1 : NAMES_MAX - 1;
    words(value, (hash) => {
      const slot = hash & (SLOTS - 1);
      // Where it stood first is where it comes from: what was passed on and came back says nothing new.
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

  /** Of each argument, by path without positions in lists, where its value stood; an empty list: nowhere. */
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

/** Hashes of the words in all texts and numbers of a value, upper and lower case as one. Names of members are no words. */
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

/** A word goes from a letter or figure to the last one before a blank, a quote, a bracket or a comma. @returns how much may still be read */
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
    // Where it ends in a stop or a colon, that is not part of it.
    if (kind === WORD) {
      whole = hash;
      end = size;
    }
  }
  return left - length - 1;
}

const WORD = 1;
const BREAK = 2;
/** Of each character: part of a word, what parts words, or what belongs to one only within it. */
const KINDS = Uint8Array.from({ length: 128 }, (_, code) => {
  const char = String.fromCharCode(code);
  if (/[a-z0-9]/iu.test(char)) return WORD;
  return code <= 32 || `"'<>()[]{},;|\u0060`.includes(char) ? BREAK : 0;
});
