/**
 * The texts of a stream. A model hands a sentence over in pieces of a few letters, so a value that matters stands in no single part: what is
 * indexed is the pieces of one text put together, with the end of what came before, so that a value is found that lies across two chunks.
 */
import type { Json } from '@corral/protocol/json';
import { isTelling, leavesOf, textsOf } from './leaves.ts';

/** Ends of the texts of a stream, by text; in the order in which they were last continued. */
export type Tails = Readonly<Record<string, string>>;

/** Characters of a text that are kept for the next chunk: longer values are found by their pieces. */
const TAIL_CHARS = 512;
/** Texts of one stream whose ends are kept, and characters by which one is named. */
const TEXTS = 32;
const NAME_CHARS = 200;

/**
 * The texts in the next parts of a stream. Pieces are of one text if their parts agree in `type` and `id`, and they stand in the same place.
 * @returns `value`: what provenance is to index
 */
export function joinedParts(parts: readonly Json[], before: Tails): { readonly value: Json; readonly tails: Tails } {
  const texts = new StreamTexts(before);
  for (const part of parts) texts.add(part);
  const tails = new Map(Object.entries(before));
  for (const [name, text] of texts.named) {
    tails.delete(name);
    tails.set(name, text.slice(-TAIL_CHARS));
  }
  const kept = [...tails].slice(-TEXTS);
  return { value: texts.value, tails: Object.fromEntries(kept) };
}

/** The texts in parts of a stream, put together. */
export class StreamTexts {
  readonly #before: Tails;
  readonly #holds: (name: string) => boolean;
  readonly #texts = new Map<string, string>();
  readonly #rest = new Set<Json>();

  /**
   * @param before how texts begin that are continued
   * @param holds whether a name of a member may hold data
   */
  constructor(before: Tails = {}, holds: (name: string) => boolean = isTelling) {
    this.#before = before;
    this.#holds = holds;
  }

  get named(): Iterable<readonly [name: string, text: string]> {
    return this.#texts;
  }

  /** The texts, and what else can hold something: numbers, types and ids, names of members. */
  get value(): { readonly text: string[]; readonly rest: Json[] } {
    return { text: [...this.#texts.values()], rest: [...this.#rest] };
  }

  /** @returns characters of the texts and numbers in the part */
  add(part: Json): number {
    const { leaves, complete } = leavesOf(part);
    // Provenance then knows that it does not know all of it.
    if (!complete) this.#rest.add(part);
    const of = nameOf(part);
    let chars = 0;
    for (const { path, value } of leaves) {
      chars += typeof value === 'number' ? String(value).length : value.length;
      if (typeof value === 'number' || path === 'type' || path === 'id') this.#rest.add(value);
      else {
        const name = `${of} ${path}`.slice(0, NAME_CHARS);
        const first = Object.hasOwn(this.#before, name) ? this.#before[name] : undefined;
        this.#texts.set(name, (this.#texts.get(name) ?? first ?? '') + value);
      }
    }
    for (const { value } of textsOf(part, this.#holds).names) this.#rest.add(value);
    return chars;
  }
}

function nameOf(part: Json): string {
  if (typeof part !== 'object' || part === null || Array.isArray(part)) return '';
  const { type, id } = part as Readonly<Record<string, Json>>;
  return `${typeof type === 'string' ? type : ''} ${typeof id === 'string' || typeof id === 'number' ? id : ''}`;
}
