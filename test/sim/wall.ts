/**
 * The wall time of a run, as the durable world has it: now − began − stood − queued. What the product says of queues is not simply
 * believed: a timer that was due before its crank began has waited for its host at least so long.
 */
import type { Delivery } from '@corral/protocol/wire/delivery';
import type { Entry } from '@corral/protocol/model/run';
import type { Known } from './book.ts';

/** Rounding, at both ends. */
const SLACK_MS = 5;
/** How long a host may not know that a cell is dead. */
const UNKNOWN_MS = 50;

export class Wall {
  /** Time stamp of the last entry. */
  #at = 0;
  /** Cranks that have begun with a timer: one that was lost with its cell, or taken back, was made again. */
  readonly #begun = new Map<number, number>();
  #stood_ms = 0;
  #since: number | undefined;
  #queued_ms = 0;
  #epoch = 1;
  /** Its first crank is in the journal. */
  #started = false;

  /** A crank begins in a cell. */
  cranking(delivery: Delivery): void {
    if (delivery.kind === 'timer') this.#begun.set(delivery.id, (this.#begun.get(delivery.id) ?? 0) + 1);
  }

  /**
   * @param epoch under which it is held: one that was brought back may have been without a host, or parked, and waited for neither
   * @param died when a cell died last: until its host knows, a crank that is on its way into it counts as being made
   * @returns what is wrong with it, if something is
   */
  entry(known: Known, epoch: number, { at, delivery, queued_ms = 0 }: Entry, died: number): string | undefined {
    const before = this.#at;
    const held = epoch === this.#epoch;
    this.#epoch = epoch;
    this.#at = at;
    this.#queued_ms += queued_ms;
    const stood = this.#since !== undefined;
    const stands = known.control !== 'none' || [...known.calls.values()].some((call) => call.unknown || call.approval === 'waiting');
    if (stands) this.#since ??= at;
    else if (this.#since !== undefined) {
      // What came before its first crank was in the journal, that entry counts as waited.
      if (this.#started) this.#stood_ms += Math.max(0, at - Math.max(this.#since, known.began ?? at));
      this.#since = undefined;
    }
    this.#started ||= delivery !== undefined;
    if (delivery === undefined || !held || stood || known.began === undefined || known.record.service !== undefined) return undefined;
    const given = JSON.parse(delivery) as Delivery;
    const due = given.kind === 'timer' && this.#begun.get(given.id) === 1 ? known.timers.get(given.id)?.due : undefined;
    if (due === undefined || died > Math.max(due, before) - UNKNOWN_MS) return undefined;
    const waited = given.at - Math.max(due, before);
    return queued_ms >= waited - SLACK_MS
      ? undefined
      : `took a timer that was due ${waited} ms before its crank, and counts ${queued_ms} of them as waited`;
  }

  /** Milliseconds used at most, times without a host included. */
  used(known: Known, now: number): number {
    const began = known.began ?? now;
    const standing = this.#since === undefined ? 0 : now - Math.max(this.#since, began);
    return now - began - this.#stood_ms - standing - this.#queued_ms;
  }
}
