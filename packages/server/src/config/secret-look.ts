/**
 * A first look for secrets in what tools answer, which nearly never finds one: it says at once that a value holds none, so that each form of each
 * secret need not be searched for. It may be wrong the other way round.
 */

/** Characters of a form that are looked for. */
const PREFIX = 8;
/** Deeper values are searched as a whole. */
const DEEPEST = 64;
/** Characters of a form that may stand in the JSON of a value and in none of its texts. */
const STRUCTURE = /["{}[\],:]/;
const NUMERIC = /^[-+.\deE]+$/;

export class FirstLook {
  readonly #pattern: RegExp | undefined;
  readonly #looksAtNumbers: boolean;
  /** A form may span several texts of a value. */
  readonly #spans: boolean;

  /** @param forms none of them empty */
  constructor(forms: readonly string[]) {
    const beginnings = [...new Set(forms.map((form) => form.slice(0, PREFIX)))];
    this.#pattern = forms.length === 0 ? undefined : new RegExp(beginnings.map((text) => RegExp.escape(text)).join('|'));
    this.#looksAtNumbers = forms.some((form) => NUMERIC.test(form));
    this.#spans = forms.some((form) => STRUCTURE.test(form));
  }

  mayHold(text: string): boolean {
    return this.#pattern?.test(text) === true;
  }

  /** Whether the JSON of a value may hold a form. */
  mayBeIn(value: unknown): boolean {
    return this.#pattern !== undefined && (this.#spans || this.#isIn(value, this.#pattern, 0));
  }

  #isIn(value: unknown, pattern: RegExp, depth: number): boolean {
    if (typeof value === 'string') return pattern.test(value);
    if (typeof value === 'number') return this.#looksAtNumbers && pattern.test(String(value));
    if (typeof value !== 'object') return typeof value === 'bigint';
    if (value === null) return false;
    if (depth > DEEPEST) return true;
    if (Array.isArray(value)) return value.some((one) => this.#isIn(one, pattern, depth + 1));
    const kind: unknown = Object.getPrototypeOf(value);
    // Others may write themselves as JSON in a way of their own.
    if ((kind !== Object.prototype && kind !== null) || 'toJSON' in value) return true;
    for (const name of Object.keys(value))
      if (pattern.test(name) || this.#isIn((value as Readonly<Record<string, unknown>>)[name], pattern, depth + 1)) return true;
    return false;
  }
}
