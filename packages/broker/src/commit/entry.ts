/** The entry of a commit: the event that goes with a crank, what it settles, whether it may wait, and its refusal. */
import type { CorralError } from '@corral/protocol/errors';
import type { Json } from '@corral/protocol/json';
import type { Entry, HostEvent } from '@corral/protocol/model/run';
import type { Commit } from '@corral/protocol/ports/store';
import type { Delivery, Result } from '@corral/protocol/wire/delivery';
import type { Crank } from '../bus.ts';
import type { Batch } from '../effects/batch.ts';
import type { Ledger } from '../ledger/ledger.ts';

/** A commit was refused, and the event of that has been emitted. */
export class Refusal extends Error {
  readonly reason: CorralError;
  constructor(reason: CorralError) {
    super(reason.message);
    this.reason = reason;
  }
}

/**
 * The event in the entry of a crank: a stop, or the checkpoint that the run asked for. A stop beside a checkpoint is applied to the ledger
 * here, because the checkpoint must carry it over.
 */
export function eventOf(ledger: Ledger, { outcome, stop }: Batch, at: number): HostEvent | undefined {
  if (outcome !== undefined || ledger.checkpointing === undefined) return stop?.event;
  if (stop?.event !== undefined) ledger.applyEvent(stop.event, at);
  const { state, unread = [] } = ledger.checkpointing;
  return { kind: 'checkpoint', state: state as Json, unread: unread as Json, ledger: ledger.snapshot() as unknown as Json };
}

/**
 * Whether nothing leaves, and nobody is told anything, when this entry is durable: then its write may wait for company. Calls that left
 * before wait for no write.
 * @param commit what the store counts with it: where other nodes count too, it may refuse the entry
 */
export function mayWait(
  batch: Batch,
  { event }: Entry,
  delivery: Delivery['kind'] | undefined,
  { outbox, uses, spend }: Pick<Commit, 'outbox' | 'uses' | 'spend'>,
): boolean {
  const { decisions, left, spawned, timers, timersDone, aborts, pulls, withdrawn, disposed, emits, logs, context, outcome } = batch;
  if (event !== undefined || outcome !== undefined || decisions.length > left.size) return false;
  // The end of a stream is told once its last chunk is durable.
  if (delivery === 'chunk' || uses.length > 0 || spend?.limits !== undefined) return false;
  const told = [outbox, spawned, timers, timersDone, aborts, pulls, withdrawn, disposed, emits, logs, context];
  return told.every(({ length }) => length === 0);
}

/** Effects of a run that an entry answers for good; the store has no answer of theirs any more. */
export function settledBy(crank: Pick<Crank, 'delivery'> | undefined, event: HostEvent | undefined): readonly number[] {
  if (event?.kind === 'unanswered') return [event.id];
  return crank?.delivery.kind === 'reply' ? crank.delivery.results.map(({ id }) => id) : [];
}

/** The results in a delivery that answer calls, before the ledger has taken it. */
export function callsIn({ pending }: Ledger, delivery: Delivery): readonly Result[] {
  return delivery.kind === 'reply' ? delivery.results.filter(({ id }) => pending.get(id)?.kind === 'call') : [];
}
