/**
 * Checks that there is one fold (ARCHITECTURE.md, "Journal and commit"): the ledger that a host saves for a parked run equals the ledger
 * folded from the run's journal. A change that a host made to the ledger without a journal entry would show here as a difference.
 */
import { Ledger } from '@corral/broker/ledger/ledger';
import type { SavedLedger } from '@corral/broker/ledger/snapshot';
import { RunDetectors } from '@corral/broker/ledger/detectors';
import type { SqliteCore } from '@corral/store/sqlite/core';
import { Downtimes } from '@corral/supervisor/runs/downtime';
import type { Known } from './known.ts';

/** @returns the first difference, if there is one */
export function differenceFromFold(core: SqliteCore, known: Known, text: string): string | undefined {
  const { record } = known;
  const saved = JSON.parse(text) as SavedLedger;
  const stored = core.run(record.id);
  if (stored === undefined) return undefined;
  // With a profile the detectors' state depends on data of the host that is not in the journal.
  const watch = saved.loops === undefined || record.profile !== undefined ? undefined : new RunDetectors();
  const ledger = new Ledger(record, saved.label !== undefined, watch);
  const downtimes = new Downtimes();
  downtimes.learn(core.downtimes());
  const { checkpoint, away } = stored;
  ledger.wall.absent = (from, until) => downtimes.between(from, until, away);
  for (const entry of core.journal(record.id, Math.max(0, checkpoint - 1))) ledger.apply(entry, { checkpoint });
  const folded = JSON.parse(JSON.stringify(ledger.save(saved.lastAt))) as SavedLedger;
  for (const name of new Set([...Object.keys(saved), ...Object.keys(folded)]) as Set<keyof SavedLedger>) {
    if (name === 'loops' && watch === undefined) continue;
    const [here, there] = [saved[name], folded[name]].map((value) =>
      JSON.stringify(value, (key, one: unknown) => (key === 'asked_at' ? 0 : one)),
    );
    if (here !== there) return `${name} is ${here}; its journal says ${there}`;
  }
  return undefined;
}
