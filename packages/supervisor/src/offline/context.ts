/** Derives the changes of a run's context (label, capabilities, purse) from its journal, the only place where they are recorded. */
import { begin } from '@corral/broker/commit/context';
import { Ledger } from '@corral/broker/ledger/ledger';
import type { ContextChange } from '@corral/protocol/model/context';
import type { Delivery } from '@corral/protocol/wire/delivery';
import type { Effect } from '@corral/protocol/wire/effect';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Store } from '@corral/protocol/ports/store';

/**
 * Entries that are read at once. Applying an entry parses results of tools, which may be large, so a page must not block the host for long.
 */
const PAGE = 50;

/**
 * @param most maximum of changes; of a long journal, the latest
 * @throws CORRAL_RUN_UNKNOWN, CORRAL_JOURNAL_DAMAGED
 */
export async function contextOf(store: Store, run: RunId, most: number): Promise<readonly ContextChange[]> {
  const stored = await store.run(run);
  if (stored === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${run} here.`);
  const ledger = new Ledger(stored.record, true);
  const changes: ContextChange[] = [];
  for (let after = 0; ;) {
    const entries = await store.journal(run, after, PAGE);
    for (const entry of entries) {
      const { delivery, effects, decisions, event, seq, at } = entry;
      const then = begin(ledger, delivery === undefined ? undefined : (JSON.parse(delivery) as Delivery));
      ledger.apply(entry);
      // A crank that was discarded has no effects.
      changes.push(...then({ seq, at, effects: effects === undefined ? [] : (JSON.parse(effects) as Effect[]), decisions, event }));
    }
    if (changes.length > most) changes.splice(0, changes.length - most);
    if (entries.length < PAGE) return changes;
    after = entries.at(-1)?.seq ?? after;
  }
}
