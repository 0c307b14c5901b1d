/** The other end of the ring: facts as the thread of telemetry reads them. */
import type { RunId } from '@corral/protocol/ids';
import { KIND, runIn, TEXT_BYTES, WORD, type Kind } from './facts.ts';
import { NUMBERS, RingReader, SLOT_BYTES, WORDS } from './ring.ts';
import { VOCABULARY } from './vocabulary.ts';

/** A fact. The meaning of each member depends on the kind; see `FactWriter`. */
export interface Fact {
  readonly kind: Exclude<Kind, typeof KIND.text>;
  readonly run: RunId | undefined;
  readonly peer: RunId | undefined;
  readonly other: RunId | undefined;
  /** The word in the place of `other`, where it is a number. */
  readonly count: number;
  readonly number: number;
  readonly texts: readonly [string, string, string, string];
  /** The first is the time of the fact, in milliseconds since 1970. */
  readonly numbers: readonly number[];
  /** The text of a record of the log. */
  readonly text?: string;
  /** Texts of a call, by the names of attributes. */
  readonly contents?: readonly (readonly [name: string, text: string])[];
}

export class FactReader {
  readonly #ring: RingReader;
  readonly #texts: string[] = [...VOCABULARY];
  readonly #decoder = new TextDecoder();
  readonly #contents: (readonly [Fact, string])[] = [];

  constructor(memory: SharedArrayBuffer) {
    this.#ring = new RingReader(memory);
  }

  /** Facts that the writer had to drop. */
  get dropped(): number {
    return this.#ring.dropped;
  }

  /** The most records that can wait. */
  get size(): number {
    return this.#ring.slots;
  }

  /** Reads waiting facts, no more than `most`. A fact counts as read also if `take` throws. @returns whether there are more */
  read(most: number, take: (fact: Fact) => void): boolean {
    const ring = this.#ring;
    for (let i = 0; i < most; i++) {
      if (ring.waiting === 0) return false;
      const at = ring.next(0);
      if (ring.words[at] === KIND.text) {
        ring.release(this.#text(at));
        continue;
      }
      const fact = this.#fact(at);
      const long = fact.kind === KIND.content || fact.kind === KIND.log ? this.#long(at) : undefined;
      ring.release(1 + (long?.slots ?? 0));
      if (fact.kind === KIND.content) {
        this.#contents.push([fact, long?.text ?? '']);
        continue;
      }
      take(long === undefined ? this.#withContents(fact) : { ...fact, text: long.text });
    }
    return ring.waiting > 0;
  }

  /** The text behind a fact, and how many slots it takes. */
  #long(at: number): { readonly text: string; readonly slots: number } {
    const { words, bytes } = this.#ring;
    const length = words[at + WORD.peer] ?? 0;
    const slots = Math.ceil(length / SLOT_BYTES);
    const text = new Uint8Array(length);
    for (let i = 0; i < slots; i++) {
      const from = this.#ring.next(1 + i) * 4;
      text.set(bytes.subarray(from, from + Math.min(SLOT_BYTES, length - i * SLOT_BYTES)), i * SLOT_BYTES);
    }
    return { text: this.#decoder.decode(text), slots };
  }

  /** The contents of a call are read before it. Those whose call was dropped belong to no other fact. */
  #withContents(fact: Fact): Fact {
    if (this.#contents.length === 0) return fact;
    const all = this.#contents.splice(0);
    if (fact.kind !== KIND.call) return fact;
    const own = all.filter(([{ run, number }]) => run === fact.run && number === fact.number);
    return { ...fact, contents: own.map(([{ texts }, text]) => [texts[0], text] as const) };
  }

  /** @returns how many slots it took */
  #text(at: number): number {
    const { words, bytes } = this.#ring;
    const [number = 0, length = 0] = [words[at + WORD.number], words[at + WORD.a]];
    const text = new Uint8Array(TEXT_BYTES);
    const slots = Math.ceil(length / SLOT_BYTES);
    for (let i = 0; i < slots; i++) {
      const from = this.#ring.next(1 + i) * 4;
      text.set(bytes.subarray(from, from + Math.min(SLOT_BYTES, length - i * SLOT_BYTES)), i * SLOT_BYTES);
    }
    this.#texts[number] = this.#decoder.decode(text.subarray(0, length));
    return 1 + slots;
  }

  #fact(at: number): Fact {
    const { words, numbers } = this.#ring;
    const text = (word: number) => this.#texts[words[at + word] ?? 0] ?? '';
    const from = (at + WORDS) / 2;
    return {
      kind: words[at] as Fact['kind'],
      run: runIn(words, at + WORD.run),
      peer: runIn(words, at + WORD.peer),
      other: runIn(words, at + WORD.other),
      count: words[at + WORD.other] ?? 0,
      number: words[at + WORD.number] ?? 0,
      texts: [text(WORD.a), text(WORD.b), text(WORD.c), text(WORD.d)],
      numbers: [...numbers.subarray(from, from + NUMBERS)],
    };
  }
}
