/**
 * Pages of a run's calls and messages, made from its journal. A page is bounded in count and bytes, and so is the part of the journal that is
 * held for it. Its cursor says in which entry it ended, so the next page begins to read there.
 */
import type { Place } from '@corral/protocol/api/cursor';
import type { Json } from '@corral/protocol/json';
import { DOOR } from '@corral/protocol/limits';
import { foldCalls, type CallView } from './calls.ts';
import { messagesIn, type MessageView } from './journal.ts';
import type { Pages } from './pages.ts';

export interface Listed<T> {
  readonly items: T[];
  /** The place of the last item; undefined if there are no more. */
  readonly next: Place | undefined;
}

const sizeOf = (value: Json): number => JSON.stringify(value).length;
const weightOf = ({ input, result, error }: CallView): number =>
  sizeOf(input) + sizeOf(result) + (error === null ? 0 : error.message.length + (error.detail?.length ?? 0));

/**
 * One page of a run's calls or messages.
 * @param pages of the journal, from the entry of `after` on
 * @param after the place of the last item of the page before
 * @param bytes what the items of a page may take together; the first one may take more
 */
export type ListPage<T> = (pages: Pages, after: Place | undefined, limit: number, bytes?: number) => Promise<Listed<T>>;

/** States in which nothing more comes of a call. */
const SETTLED: ReadonlySet<CallView['state']> = new Set(['done', 'answered', 'failed', 'denied']);

class CallPage {
  readonly calls = new Map<number, CallView>();
  readonly #seqs = new Map<number, number>();
  /** Weights of calls: a call that stays open is looked at after each part of the journal, and its input is not written again for that. */
  readonly #weighed = new Map<number, Pick<CallView, 'result' | 'error'> & { readonly bytes: number }>();
  readonly #after: number;
  readonly #limit: number;
  readonly #bytes: number;
  #more = false;

  constructor(after: number, limit: number, bytes: number) {
    this.#after = after;
    this.#limit = limit;
    this.#bytes = bytes;
  }

  /** Whether a call is on this page. */
  readonly takes = (call: number, seq: number): boolean => {
    if (call <= this.#after) return false;
    this.#more ||= this.calls.size >= this.#limit;
    if (!this.#more) this.#seqs.set(call, seq);
    return !this.#more;
  };

  /** Leaves the last calls to the next page if this one has too many bytes. One call is never too many. */
  trim(): void {
    let bytes = 0;
    let fits = 0;
    for (const call of this.calls.values()) {
      bytes += this.#weightOf(call);
      if (fits > 0 && bytes > this.#bytes) break;
      fits += 1;
    }
    this.#more ||= fits < this.calls.size;
    for (const call of [...this.calls.keys()].slice(fits)) this.calls.delete(call);
  }

  #weightOf(call: CallView): number {
    const { result, error } = call;
    const known = this.#weighed.get(call.call);
    if (known !== undefined && known.result === result && known.error === error) return known.bytes;
    const bytes = weightOf(call);
    this.#weighed.set(call.call, { result, error, bytes });
    return bytes;
  }

  /** Whether the rest of the journal changes nothing of it. */
  get isDone(): boolean {
    return this.#more && [...this.calls.values()].every(({ state }) => SETTLED.has(state));
  }

  get listed(): Listed<CallView> {
    const items = [...this.calls.values()];
    const last = items.at(-1)?.call;
    return { items, next: !this.#more || last === undefined ? undefined : { seq: this.#seqs.get(last) ?? 0, n: last } };
  }
}

/** The place of a call has its number. */
export const callsAfter: ListPage<CallView> = async (pages, after, limit, bytes = DOOR.list_bytes.default) => {
  const taken = new CallPage(after?.n ?? 0, limit, bytes);
  for await (const page of pages) {
    foldCalls(taken.calls, page, taken.takes);
    taken.trim();
    if (taken.isDone) break;
  }
  return taken.listed;
};

/** The place of a message has its number in its entry. */
export const messagesAfter: ListPage<MessageView> = async (pages, after, limit, bytes = DOOR.list_bytes.default) => {
  const items: MessageView[] = [];
  let last: Place | undefined;
  let taken = 0;
  for await (const page of pages)
    for (const entry of page)
      for (const [n, message] of messagesIn([entry]).entries()) {
        if (after !== undefined && entry.seq === after.seq && n <= after.n) continue;
        taken += sizeOf(message.body);
        if (items.length >= limit || (items.length > 0 && taken > bytes)) return { items, next: last };
        items.push(message);
        last = { seq: entry.seq, n };
      }
  return { items, next: undefined };
};
