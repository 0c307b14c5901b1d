/**
 * Computes the wall time of a run from the durable world: now − began − stood − queued. The `queued_ms` of an entry is checked: if a
 * timer was due before its crank began, the run has waited for its host at least since then.
 */
import type { Delivery } from '@corral/protocol/wire/delivery';
import type { Entry, RunRecord } from '@corral/protocol/model/run';

/** Rounding at both ends. */
const SLACK_MS = 5;
/** Maximum time in which a host does not know that a cell is dead. */
const UNKNOWN_MS = 50;

/** The part of a run's state that its wall time depends on. */
interface Lived {
  readonly record: RunRecord;
  readonly epoch: number;
  readonly control: string;
  readonly began: number | undefined;
  readonly calls: ReadonlyMap<number, { readonly unknown: boolean; readonly approval: string }>;
  readonly timers: ReadonlyMap<number, { readonly due: number }>;
}

export class Wall {
  /** Time of the last entry. */
  #at = 0;
  /** Cranks that began with a timer, by timer; more than one if a crank was lost with its cell or taken back. */
  readonly #begun = new Map<number, number>();
  #stood_ms = 0;
  #since: number | undefined;
  #queued_ms = 0;
  /** Milliseconds that the last entry counts as waited. */
  #counted_ms = 0;
  #epoch = 1;
  /** The first crank is in the journal. */
  #started = false;

  /** A crank begins in a cell. */
  cranking(delivery: Delivery): void {
    if (delivery.kind === 'timer') this.#begun.set(delivery.id, (this.#begun.get(delivery.id) ?? 0) + 1);
  }

  /**
   * @param epoch the present epoch; a revived run may have been without a host or parked, and neither counts as waiting
   * @param died time of the last death of a cell; until the host knows of it, a crank on its way into that cell counts as running
   * @returns the fault, if there is one
   */
  entry(known: Lived, epoch: number, { at, delivery, queued_ms = 0 }: Entry, died: number): string | undefined {
    const before = this.#at;
    const held = epoch === this.#epoch;
    this.#epoch = epoch;
    this.#at = at;
    this.#queued_ms += queued_ms;
    // An entry has the time at which its crank began to be decided, and counts how long its host took for that, too.
    const counted_ms = queued_ms + Math.max(0, this.#counted_ms);
    this.#counted_ms = queued_ms;
    const stood = this.#since !== undefined;
    const stands = known.control !== 'none' || [...known.calls.values()].some((call) => call.unknown || call.approval === 'waiting');
    if (stands) this.#since ??= at;
    else if (this.#since !== undefined) {
      // Before its first crank is in the journal, all time counts as waiting.
      if (this.#started) this.#stood_ms += Math.max(0, at - Math.max(this.#since, known.began ?? at));
      this.#since = undefined;
    }
    this.#started ||= delivery !== undefined;
    if (delivery === undefined || !held || stood || known.began === undefined || known.record.service !== undefined) return undefined;
    const given = JSON.parse(delivery) as Delivery;
    const due = given.kind === 'timer' && this.#begun.get(given.id) === 1 ? known.timers.get(given.id)?.due : undefined;
    if (due === undefined || died > Math.max(due, before) - UNKNOWN_MS) return undefined;
    const waited = given.at - Math.max(due, before);
    return counted_ms >= waited - SLACK_MS
      ? undefined
      : `took a timer that was due ${waited} ms before its crank, and counts ${counted_ms} of them as waited`;
  }

  /** Maximum milliseconds used, times without a host included. */
  used(known: Lived, now: number): number {
    const began = known.began ?? now;
    const standing = this.#since === undefined ? 0 : now - Math.max(this.#since, began);
    return now - began - this.#stood_ms - standing - this.#queued_ms;
  }
}
