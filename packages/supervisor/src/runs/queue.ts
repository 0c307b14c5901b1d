/** The deliveries that wait for a run, in order of arrival. The queue decides which of them the run can get next. */
import type { Ledger } from '@corral/broker/ledger/ledger';
import { heapSizeOf } from '@corral/protocol/heap-size';
import type { Grants } from '@corral/policy/capability/grants';
import type { PendingDelivery, Result } from '@corral/protocol/wire/delivery';
import { errorData } from '@corral/protocol/errors';
import type { GrantId } from '@corral/protocol/ids';

/** A delivery that waits its turn. */
export interface Queued {
  readonly delivery: PendingDelivery;
  /** Its number in the store's inbox; undefined if it did not come from there. */
  readonly inbox: number | undefined;
}

/** Grants that a delivery carries, made for its receiver. */
export const grantsIn = (delivery: PendingDelivery): GrantId[] =>
  delivery.kind === 'message' ? (delivery.caps ?? []).map(({ grant }) => grant) : [];

/** Releases the grants that the deliveries of discarded cranks carried, unless the run has them. */
export function letGo(
  grants: Pick<Grants, 'release'>,
  { ledger }: { readonly ledger: Ledger },
  ...cranks: readonly ({ readonly delivery: PendingDelivery } | undefined)[]
): void {
  const caps = new Set(ledger.caps.values());
  for (const crank of cranks)
    if (crank !== undefined) for (const grant of grantsIn(crank.delivery)) if (!caps.has(grant)) grants.release(grant);
}

/** Approximate bytes of a delivery that waits. Looked up, since a delivery may be put back. */
const weights = new WeakMap<PendingDelivery, number>();
const DELIVERY_BYTES = 200;

function weightOf({ delivery }: Queued): number {
  let weight = weights.get(delivery);
  if (weight === undefined) weights.set(delivery, (weight = DELIVERY_BYTES + heapSizeOf(delivery)));
  return weight;
}

export class RunQueue {
  readonly #ledger: Ledger;
  readonly #items: Queued[] = [];
  #lastInbox = 0;
  /** Called if the chunk of one of these calls is put back: it is not given to the run again. */
  readonly #unwanted = new Map<number, () => void>();
  /** Approximate bytes of the deliveries, but for those that were not weighed yet; most leave before anybody asks for the sum. */
  #weighed = 0;
  readonly #unweighed = new Set<Queued>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  get length(): number {
    return this.#items.length;
  }

  [Symbol.iterator](): Iterator<Queued> {
    return this.#items.values();
  }

  /** Approximate bytes in memory. */
  get memory(): number {
    for (const queued of this.#unweighed) this.#weighed += weightOf(queued);
    this.#unweighed.clear();
    return this.#weighed;
  }

  /** Number of the last inbox item that was received. */
  get lastInbox(): number {
    return this.#lastInbox;
  }

  /** Adds a delivery that is not in the store's inbox: a tool's reply, a timer, a notice. */
  add(delivery: PendingDelivery): void {
    this.#put({ delivery, inbox: undefined });
  }

  /** Adds the start of a new segment, before all other deliveries. */
  begin(start: PendingDelivery): void {
    this.#put({ delivery: start, inbox: undefined }, true);
  }

  /** Adds a delivery of the store's inbox; ignored if it was received already. */
  receive(delivery: PendingDelivery, inbox: number): void {
    if (inbox <= this.#lastInbox) return;
    this.#put({ delivery, inbox });
    this.#lastInbox = inbox;
  }

  /** Marks inbox items up to this one as received. */
  seen(inbox: number): void {
    this.#lastInbox = Math.max(this.#lastInbox, inbox);
  }

  /** Puts the delivery of a discarded crank back; it is the next one again. */
  putBack({ delivery, inbox }: Queued): void {
    const then = delivery.kind === 'chunk' ? this.#unwanted.get(delivery.id) : undefined;
    if (delivery.kind !== 'chunk' || then === undefined) return this.#put({ delivery, inbox }, true);
    this.#unwanted.delete(delivery.id);
    // Later, since whoever puts it back is not done with the run.
    queueMicrotask(then);
  }

  /** Replaces each delivery that is not in the inbox. @param left the new delivery; undefined drops it */
  sift(left: (delivery: PendingDelivery) => PendingDelivery | undefined): void {
    const all = this.#items.slice();
    this.#clear();
    for (const { delivery, inbox } of all) {
      const kept = inbox === undefined ? left(delivery) : delivery;
      if (kept !== undefined) this.#put({ delivery: kept, inbox });
    }
  }

  /** Removes the chunk of a call, if it waits here or is put back. @param then called once it is removed */
  takeBackChunk(call: number, then: () => void): void {
    const before = this.#items.length;
    this.sift((delivery) => (delivery.kind === 'chunk' && delivery.id === call ? undefined : delivery));
    if (this.#items.length < before) then();
    // Its run is reading it. After that the call has no other one.
    else this.#unwanted.set(call, then);
  }

  /** Whether the run can get a delivery now. */
  get hasNext(): boolean {
    return this.#next >= 0;
  }

  /** Removes and returns the delivery that the run gets now. */
  take(): Queued | undefined {
    for (let next = this.#next; next >= 0; next = this.#next) {
      const [queued] = this.#items.splice(next, 1);
      if (queued !== undefined && !this.#unweighed.delete(queued)) this.#weighed -= weightOf(queued);
      const due = queued && this.#due(queued);
      if (due !== undefined) return due;
    }
    return undefined;
  }

  /** Drops all deliveries. @returns the grants that they carried */
  drop(): GrantId[] {
    const grants = this.unreceived;
    this.#clear();
    return grants;
  }

  /** Whether a reply to this call or request is in the queue. */
  hasReply(id: number): boolean {
    return this.#items.some(({ delivery }) => delivery.kind === 'reply' && delivery.results.some((result) => result.id === id));
  }

  /** Grants in messages that the run has not got yet. */
  get unreceived(): GrantId[] {
    return this.#items.flatMap(({ delivery }) => grantsIn(delivery));
  }

  /** Answers of calls in the queue that are not in the run's journal. */
  get unjournaled(): Result[] {
    const { pending } = this.#ledger;
    return this.#items.flatMap(({ delivery, inbox }) =>
      inbox === undefined && delivery.kind === 'reply'
        ? delivery.results.filter(({ id }) => pending.has(id) && pending.get(id)?.kind !== 'decided')
        : [],
    );
  }

  #put(queued: Queued, first = false): void {
    if (first) this.#items.unshift(queued);
    else this.#items.push(queued);
    this.#unweighed.add(queued);
  }

  #clear(): void {
    this.#items.length = 0;
    this.#weighed = 0;
    this.#unweighed.clear();
  }

  /**
   * Index of the next delivery; -1 if there is none. An instance of a service gets a message only after the turn of the previous one is
   * over.
   */
  get #next(): number {
    const { record, asked, hasState } = this.#ledger;
    const first = this.#items.length === 0 ? -1 : 0;
    if (record.service === undefined) return first;
    if (asked.turn) return this.#items.findIndex(({ delivery }) => delivery.kind !== 'message');
    if (this.#items[0]?.delivery.kind !== 'start' || !hasState) return first;
    // The instance waits for a message; then its turn begins in a new isolate.
    return this.#items.some(({ delivery: { kind } }) => kind === 'message' || kind === 'cancel') ? 0 : -1;
  }

  /**
   * A delivery without the replies for which the run no longer waits, such as a reply to a request that was given up. A delivery of the
   * store's inbox is returned even if no reply is left, because it must be removed from the inbox.
   */
  #due(queued: Queued): Queued | undefined {
    const { delivery, inbox } = queued;
    if (delivery.kind === 'chunk') return this.#isNext(delivery) ? queued : undefined;
    if (delivery.kind !== 'reply') return queued;
    const { pending } = this.#ledger;
    const isDue = (id: number) => (inbox === undefined ? pending.has(id) : pending.get(id)?.kind === 'request');
    const results = delivery.results.filter(({ id }) => isDue(id));
    const paid = results.map((result) => this.#paid(result));
    if (paid.length === delivery.results.length && paid.every((result, i) => result === delivery.results[i])) return queued;
    if (results.length === 0 && inbox === undefined) return undefined;
    return { inbox, delivery: { ...delivery, results: paid } };
  }

  /** Whether the run still reads the stream, and has the parts before these. */
  #isNext({ id, offset }: Extract<PendingDelivery, { kind: 'chunk' }>): boolean {
    const call = this.#ledger.pending.get(id);
    return call?.kind === 'call' && call.given_up !== true && call.stream?.parts === offset;
  }

  /**
   * The result of a call or request as the run gets it. A result may be larger than what is left of the run's bytes, since nobody knows
   * its size beforehand; but once nothing is left, no other one is delivered.
   */
  #paid(result: Result): Result {
    const { pending, purse } = this.#ledger;
    const kind = pending.get(result.id)?.kind;
    if (!('value' in result) || (kind !== 'call' && kind !== 'request') || purse.left('bytes') > 0) return result;
    const { id, attempts, cost } = result;
    const message = 'The call was made, and its result is not delivered: the run has used up its bytes.';
    return {
      id,
      error: errorData('CORRAL_BUDGET_EXCEEDED', message, { call: id, limit: 'bytes' }),
      ...(attempts === undefined ? {} : { attempts }),
      ...(cost === undefined ? {} : { cost }),
    };
  }
}
