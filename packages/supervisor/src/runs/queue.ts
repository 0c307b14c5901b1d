/**
 * What waits for a run, in the order in which it came. Nobody else changes it: others hand something over, and the run takes what it is
 * to be given next.
 */
import type { Ledger } from '@corral/broker/ledger/ledger';
import type { PendingDelivery, Result } from '@corral/protocol/wire/delivery';
import type { GrantId } from '@corral/protocol/ids';

/** A delivery that waits its turn. */
export interface Queued {
  readonly delivery: PendingDelivery;
  /** Its number in the store's inbox, where it came from there. */
  readonly inbox: number | undefined;
}

/** Grants that were made for the receiver of a delivery. */
export const grantsIn = (delivery: PendingDelivery): GrantId[] =>
  delivery.kind === 'message' ? (delivery.caps ?? []).map(({ grant }) => grant) : [];

export class RunQueue {
  readonly #ledger: Ledger;
  readonly #items: Queued[] = [];
  #lastInbox = 0;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  get length(): number {
    return this.#items.length;
  }

  [Symbol.iterator](): Iterator<Queued> {
    return this.#items.values();
  }

  /** Number of the last inbox item that was put in it. */
  get lastInbox(): number {
    return this.#lastInbox;
  }

  /** What its host has for the run, and the store's inbox has not: a tool's reply, a timer, a notice. */
  add(delivery: PendingDelivery): void {
    this.#items.push({ delivery, inbox: undefined });
  }

  /** The begin of a new segment: it comes before all that waits. */
  begin(start: PendingDelivery): void {
    this.#items.unshift({ delivery: start, inbox: undefined });
  }

  /** Puts a delivery of the store's inbox in it, once. */
  receive(delivery: PendingDelivery, inbox: number): void {
    if (inbox <= this.#lastInbox) return;
    this.#items.push({ delivery, inbox });
    this.#lastInbox = inbox;
  }

  /** Items up to this one have been seen, whatever became of them. */
  seen(inbox: number): void {
    this.#lastInbox = Math.max(this.#lastInbox, inbox);
  }

  /** A crank counts for nothing: what it was given is the next thing again. */
  putBack({ delivery, inbox }: Queued): void {
    this.#items.unshift({ delivery, inbox });
  }

  /** Holds each item that is in no inbox against something that has changed. @param left undefined: it is not given to the run */
  sift(left: (delivery: PendingDelivery) => PendingDelivery | undefined): void {
    for (const { delivery, inbox } of this.#items.splice(0)) {
      const kept = inbox === undefined ? left(delivery) : delivery;
      if (kept !== undefined) this.#items.push({ delivery: kept, inbox });
    }
  }

  /** Something waits that the run can be given now. */
  get hasNext(): boolean {
    return this.#next >= 0;
  }

  /** Takes what the run is to be given now. */
  take(): Queued | undefined {
    for (let next = this.#next; next >= 0; next = this.#next) {
      const [queued] = this.#items.splice(next, 1);
      const due = queued && this.#due(queued);
      if (due !== undefined) return due;
    }
    return undefined;
  }

  /** Nothing that waits will be given to the run. Answers with the grants that were in it. */
  drop(): GrantId[] {
    const grants = this.unreceived;
    this.#items.length = 0;
    return grants;
  }

  /** Whether a reply to this is among what waits. */
  hasReply(id: number): boolean {
    return this.#items.some(({ delivery }) => delivery.kind === 'reply' && delivery.results.some((result) => result.id === id));
  }

  /** Grants that came in messages which the run was not given yet. */
  get unreceived(): GrantId[] {
    return this.#items.flatMap(({ delivery }) => grantsIn(delivery));
  }

  /** Answers of calls that wait, and of which the run's journal does not tell. */
  get unjournaled(): Result[] {
    const { pending } = this.#ledger;
    return this.#items.flatMap(({ delivery, inbox }) =>
      inbox === undefined && delivery.kind === 'reply'
        ? delivery.results.filter(({ id }) => pending.has(id) && pending.get(id)?.kind !== 'decided')
        : [],
    );
  }

  /** Of an instance of a service, a message comes only once the run has kept what came of the one before. */
  get #next(): number {
    const { record, asked, hasState } = this.#ledger;
    const first = this.#items.length === 0 ? -1 : 0;
    if (record.service === undefined) return first;
    if (asked.turn) return this.#items.findIndex(({ delivery }) => delivery.kind !== 'message');
    if (this.#items[0]?.delivery.kind !== 'start' || !hasState) return first;
    // It stays where it is until somebody writes to it; then it begins its turn in a new isolate.
    return this.#items.some(({ delivery: { kind } }) => kind === 'message' || kind === 'cancel') ? 0 : -1;
  }

  /**
   * Of replies, those that the run still waits for: one that came after its request was given up, or beside it, is not given to its
   * agent. What is in the store's inbox must be taken from there all the same.
   */
  #due(queued: Queued): Queued | undefined {
    const { delivery, inbox } = queued;
    if (delivery.kind !== 'reply') return queued;
    const { pending } = this.#ledger;
    const isDue = (id: number) => (inbox === undefined ? pending.has(id) : pending.get(id)?.kind === 'request');
    const results = delivery.results.filter(({ id }) => isDue(id));
    if (results.length === delivery.results.length) return queued;
    if (results.length === 0 && inbox === undefined) return undefined;
    return { inbox, delivery: { kind: 'reply', results } };
  }
}
