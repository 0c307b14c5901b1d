/**
 * Writes the decisions of people about a run into its journal, in a data folder on which no host is running. It takes a lease of its own;
 * the host that opens the folder next takes the run up from there.
 */
import { holdersOf } from '@corral/broker/accounts/accounts';
import { Ledger } from '@corral/broker/ledger/ledger';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Entry, HostEvent, RunStatus } from '@corral/protocol/model/run';
import { type Commit, ONLY_NODE, type Store, type StoredRun } from '@corral/protocol/ports/store';

export interface Read {
  readonly stored: StoredRun;
  /** State of the run after its last entry. */
  readonly ledger: Ledger;
  /** The entry of the last checkpoint and those after it; all entries if there is no checkpoint. */
  readonly entries: readonly Entry[];
}

/**
 * Reads the present state of a run, without changing anything.
 * @throws CORRAL_RUN_UNKNOWN, CORRAL_JOURNAL_DAMAGED
 */
export async function read(store: Store, id: RunId): Promise<Read> {
  const stored = await store.run(id);
  if (stored === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${id} in this data folder.`);
  const entries = await store.journal(id, Math.max(0, stored.checkpoint - 1));
  const ledger = new Ledger(stored.record);
  for (const entry of entries) ledger.apply(entry, { checkpoint: stored.checkpoint });
  // The amounts that applying the entries has gathered are in the store already.
  ledger.tally.take();
  return { stored, ledger, entries };
}

/**
 * Appends the events that `decide` returns to the journal of a run that no host holds.
 * @param decide gets the present state of the run; if it throws, nothing is written and the error is passed on
 * @throws CORRAL_RUN_UNKNOWN; CORRAL_RUN_STATE if the run has ended or changed meanwhile
 */
export async function amend(
  store: Store,
  clock: Clock,
  id: RunId,
  decide: (run: Read) => readonly HostEvent[] | Promise<readonly HostEvent[]>,
): Promise<void> {
  const run = await read(store, id);
  if (run.stored.status.lifecycle === 'ended') throw new CorralError('CORRAL_RUN_STATE', `${id} has ended.`);
  const events = await decide(run);
  const claimed = await store.claim(id, await store.join(ONLY_NODE, clock.now()), clock.now());
  if (claimed === undefined || 'holder' in claimed || claimed.seq !== run.stored.seq)
    throw new CorralError('CORRAL_RUN_STATE', `${id} has changed meanwhile.`);
  const { ledger } = run;
  const at = clock.now();
  for (const event of events) {
    const entry = entryFor(ledger, event, at);
    ledger.apply(entry);
    const days = ledger.tally.take();
    const spend = days.length === 0 ? {} : { spend: { holders: holdersOf(ledger.record), days } };
    await store.commit({ ...commitOf(id, claimed.epoch, entry, statusOf(ledger, claimed.status.control)), ...spend });
  }
}

/** The next entry of a journal, for an event that is not a crank. */
export const entryFor = ({ seq }: Ledger, event: HostEvent, at: number): Entry => ({
  seq: seq + 1,
  at,
  delivery: undefined,
  effects: undefined,
  decisions: [],
  event,
  cpu_us: 0,
});

/** A commit that contains only an entry. */
export function commitOf(run: RunId, epoch: number, entry: Entry, status: RunStatus): Commit {
  return {
    run,
    epoch,
    entry,
    status,
    consumed: undefined,
    outbox: [],
    spawned: [],
    grants: [],
    uses: [],
    revoked: [],
    timers: [],
    timersDone: [],
  };
}

/** Status of a run that has not ended. @param control that the store has: not every quarantine is in the journal */
export function statusOf(ledger: Ledger, control: RunStatus['control']): RunStatus {
  return {
    lifecycle: 'active',
    control: control === 'quarantined' ? control : ledger.control,
    waiting: ledger.waitingOn(),
    outcome: undefined,
    ended_at: undefined,
  };
}
