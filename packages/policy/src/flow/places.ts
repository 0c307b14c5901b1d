/** Where the values of results stood, by their keys, for the index of a run: bounded, and undone with it. */
import type { StoodIn as Place } from '@corral/protocol/model/decision';
import { Undone } from './undone.ts';

export type { Place };

/** Writers of a result that are kept with its values. */
const WRITERS = 4;
/** The first of these names; `*` at the end stands for more. */
export const namedIn = (by: readonly string[]): string[] => (by.length > WRITERS ? [...by.slice(0, WRITERS), '*'] : [...by]);

/** Values, each with the place where it stood first. */
export class Places extends Undone {
  readonly #known = new Map<number, Place>();
  readonly #most: number;

  constructor(most: number) {
    super();
    this.#most = most;
  }

  get size(): number {
    return this.#known.size;
  }
  /** Whether this many more fit. */
  hasRoom(more: number): boolean {
    return this.#known.size + more <= this.#most;
  }
  get(known: number): Place | undefined {
    return this.#known.get(known);
  }
  /** A value that does not fit is left out. */
  add(known: number, place: Place): void {
    if (this.#known.has(known) || !this.hasRoom(1)) return;
    this.#known.set(known, place);
    this.did(() => this.#known.delete(known));
  }
}

/** A value that is a whole field of a record, or an item of a bare list. */
export interface WholeField {
  readonly place: Place;
  /** The field's name, or that of the tool that gives the list. */
  readonly name: string;
  /** The principal chose its record, or it is a plain name. */
  readonly selected: boolean;
}

/** Differing fields with the same value that are kept. */
const SAME_VALUE = 4;

export class WholeFields extends Undone {
  readonly #fields = new Map<number, WholeField[]>();
  readonly #most: number;
  #count = 0;

  constructor(most: number) {
    super();
    this.#most = most;
  }

  get size(): number {
    return this.#count;
  }
  get(known: number): readonly WholeField[] | undefined {
    return this.#fields.get(known);
  }
  add(known: number, field: WholeField): void {
    const fields = this.#fields.get(known);
    if (fields === undefined) {
      if (this.#count >= this.#most) return;
      this.#fields.set(known, [field]);
    } else {
      if (fields.length >= SAME_VALUE || fields.some((one) => one.name === field.name && one.selected === field.selected)) return;
      fields.push(field);
    }
    this.#count += 1;
    this.did(() => {
      this.#count -= 1;
      if (fields === undefined) this.#fields.delete(known);
      else fields.pop();
    });
  }
}
