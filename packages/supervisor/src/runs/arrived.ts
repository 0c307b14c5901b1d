/** Answers of calls that have come and that no entry of the journal has: their run is paused, is at something else, or has just begun to read them. */
import type { Result } from '@corral/protocol/wire/delivery';
import type { RunId } from '@corral/protocol/ids';
import { ALL_OF_INBOX, type Store } from '@corral/protocol/ports/store';
import type { Queued } from './queue.ts';
import type { Run } from './run.ts';

const answersIn = ({ delivery, inbox }: Queued): readonly Result[] =>
  inbox === undefined && delivery.kind === 'reply' ? delivery.results : [];

/** Answers for a run in memory; each once. */
export function arrivedAt(run: Run): Result[] {
  const begun = [run.onCpu, run.behind.crank].filter((crank) => crank !== undefined);
  const all = [...run.kept, ...run.behind.answers, ...[...run.queue, ...begun].flatMap((queued) => answersIn(queued))];
  const found = new Map<number, Result>();
  // An answer that inspectors have changed comes after the original.
  for (const result of all) {
    const call = run.ledger.pending.get(result.id);
    if (call?.kind === 'call' && call.state !== 'unknown') found.set(result.id, result);
  }
  return [...found.values()];
}

/** Answers for a run that is in no memory: those that the store has kept. */
export async function arrivedFor(store: Pick<Store, 'inbox'>, run: RunId): Promise<Result[]> {
  const waiting = await store.inbox(run, ALL_OF_INBOX);
  return waiting.flatMap(({ seq, delivery }) => (seq < 0 && delivery.kind === 'reply' ? delivery.results : []));
}
