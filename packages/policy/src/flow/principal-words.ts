/** The words of the principal of a run: its input, and answers to `ask`. They are kept as text up to a limit; later ones are not known. */
import type { Json } from '@corral/protocol/json';
import { leavesOf, type Leaf } from './leaves.ts';
import { fold, tokens } from './text.ts';
import { PROVENANCE } from './trace.ts';

/** Words too common to choose a record by. Four letters and more; shorter words never choose. */
const COMMON = new Set(
  'that this with from have will your their there what when which would could should please make sure them they then than also about into does need want know tell give show find check list send email file create event some more most last next time date day month year week today tomorrow true false null'.split(
    ' ',
  ),
);

export class PrincipalWords {
  #words = ' ';
  readonly #tokens = new Set<string>();
  /** Words by which the principal chooses a record. */
  readonly #choosing = new Set<string>();

  add(value: Json): void {
    for (const leaf of leavesOf(value).leaves) {
      const room = PROVENANCE.user_chars - this.#words.length;
      if (room <= 0) return;
      for (const one of tokens(fold(String(leaf.value).slice(0, room)), PROVENANCE.tokens)) {
        this.#words += `${one} `;
        this.#tokens.add(one);
        for (const word of one.split(/[^\p{L}\p{N}]+/u)) if (word.length >= 4 && !COMMON.has(word)) this.#choosing.add(word);
      }
      this.#words += '\n ';
    }
  }

  /** Whether the principal said this token. */
  has(one: string): boolean {
    return this.#tokens.has(one);
  }

  /** Whether the principal said these words in this order. @param phrase the words, joined by spaces */
  said(words: readonly string[], phrase: string): boolean {
    // For a single token, a lookup replaces the search through the text.
    return words.length === 1 ? this.#tokens.has(phrase) : this.#words.includes(` ${phrase} `);
  }

  /** Whether a field has a word by which the principal chooses its record. */
  chooses(leaf: Leaf): boolean {
    const text = fold(String(leaf.value).slice(0, 256));
    return text.split(/[^\p{L}\p{N}]+/u).some((word) => this.#choosing.has(word));
  }

  /** An estimate. */
  get bytes(): number {
    return this.#words.length * 2 + this.#choosing.size * 40;
  }
}
