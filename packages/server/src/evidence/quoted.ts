/**
 * The text that the arguments of calls stand in, among what their run had been given, for people who read its decisions. A journal may have
 * many such calls and a lot of text, so arguments are kept of the latest calls alone, and all searches together have a bound.
 */
import type { Decision } from '@corral/protocol/model/decision';
import type { Entry } from '@corral/protocol/model/run';
import type { Json } from '@corral/protocol/json';
import type { Effect } from '@corral/protocol/wire/effect';

export interface QuoteView {
  path: string;
  value: string;
  source: string;
  call: number | null;
  trusted: boolean;
  proven: boolean;
  private_to: string[];
  text: string;
  beside: { name: string; text: string }[];
}

/** Finds the values of arguments in what a run was given; see quotesOf of the supervisor. */
export type Quoting = (
  entries: readonly Entry[],
  decisions: ReadonlyMap<number, Decision>,
  input: Json,
) => readonly (Omit<QuoteView, 'call' | 'private_to' | 'beside'> & {
  readonly call: number | undefined;
  readonly private_to: readonly string[];
  readonly beside: readonly { readonly name: string; readonly text: string }[];
})[];

/** Amount of deliveries that is searched for the arguments of one call. */
const SEARCHED_CHARS = 1024 * 1024;
/** The same of all calls of one reading. */
const SEARCHED_ALL_CHARS = 4 * SEARCHED_CHARS;
/** Calls whose arguments are kept, and how much of them. */
const CALLS = 50;
const ARGUMENTS_CHARS = 4 * 1024 * 1024;

/** A call whose arguments may be searched for. */
interface Sought {
  readonly input: Json;
  /** Length of the arguments as JSON. */
  readonly chars: number;
  /** Entries that its run had been given by then, and the text in them. */
  readonly entries: number;
  readonly given_chars: number;
}

export class Quoted {
  readonly #quoting: Quoting;
  /** Entries with the deliveries so far and nothing else, up to SEARCHED_CHARS, and the decisions that say who gave them. */
  readonly #given: Entry[] = [];
  #given_chars = 0;
  readonly #decided = new Map<number, Decision>();
  readonly #sought = new Map<number, Sought>();
  #sought_chars = 0;

  constructor(quoting: Quoting) {
    this.#quoting = quoting;
  }

  take(entry: Entry): void {
    this.#give(entry);
    this.#seek(entry);
  }

  /** Searches for the arguments of calls, the latest first. @param wanted whether people want to know it of a call */
  quotes(wanted: (call: number) => boolean): Map<number, QuoteView[]> {
    const found = new Map<number, QuoteView[]>();
    let left = SEARCHED_ALL_CHARS;
    for (const [call, { input, entries, given_chars }] of [...this.#sought].toReversed()) {
      if (left <= 0) break;
      if (!wanted(call)) continue;
      left -= given_chars;
      const quotes = this.#quoting(this.#given.slice(0, entries), this.#decided, input);
      if (quotes.length > 0)
        found.set(
          call,
          quotes.map((one) => ({ ...one, call: one.call ?? null, private_to: [...one.private_to], beside: [...one.beside] })),
        );
    }
    return found;
  }

  #give(entry: Entry): void {
    const { delivery = '', decisions } = entry;
    if (this.#given_chars + delivery.length > SEARCHED_CHARS) this.#given_chars = SEARCHED_CHARS;
    if (this.#given_chars === SEARCHED_CHARS) return;
    this.#given_chars += delivery.length;
    for (const decision of decisions) this.#decided.set(decision.id, decision);
    if (delivery !== '') this.#given.push({ ...entry, effects: undefined, decisions: [], event: undefined });
  }

  #seek({ effects, decisions }: Entry): void {
    const noted = new Set(decisions.filter((one) => isNoted(one)).map(({ id }) => id));
    if (noted.size === 0 || effects === undefined) return;
    for (const effect of JSON.parse(effects) as Effect[]) {
      if (effect.kind !== 'call' || !noted.has(effect.id)) continue;
      const chars = JSON.stringify(effect.input).length;
      this.#sought.set(effect.id, { input: effect.input as Json, chars, entries: this.#given.length, given_chars: this.#given_chars });
      this.#sought_chars += chars;
    }
    for (const [call, { chars }] of this.#sought) {
      if (this.#sought.size <= CALLS && this.#sought_chars <= ARGUMENTS_CHARS) break;
      this.#sought.delete(call);
      this.#sought_chars -= chars;
    }
  }
}

const isNoted = ({ tool, verdict, origins = [] }: Decision): boolean => tool !== undefined && verdict !== 'allow' && origins.length > 0;

interface OriginView {
  path: string;
  origin: string;
  from: string;
}

/** Names the source that a value stands in which is too short to be traced. */
export const withShort = (origins: readonly OriginView[], quotes: readonly Pick<QuoteView, 'path' | 'source' | 'proven'>[]): OriginView[] =>
  origins.map((one) => {
    const quote = one.origin === 'model' ? quotes.find(({ path, proven }) => !proven && path === one.path) : undefined;
    return quote === undefined ? { ...one } : { ...one, from: `too short to trace; the same value is also in what ${quote.source} gave` };
  });
