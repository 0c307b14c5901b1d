/**
 * Derives from the journal of a run what is not in its entries: the changes of its context (label, capabilities, purse), and of entries from
 * before hosts recorded that, whose private data they may hold.
 */
import { begin } from '@corral/broker/commit/context';
import { privateTo } from '@corral/broker/commit/private-to';
import { Ledger } from '@corral/broker/ledger/ledger';
import type { ContextChange } from '@corral/protocol/model/context';
import type { Delivery } from '@corral/protocol/wire/delivery';
import type { Effect } from '@corral/protocol/wire/effect';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Names } from '@corral/protocol/model/label';
import type { Entry } from '@corral/protocol/model/run';
import type { Store, StoredRun } from '@corral/protocol/ports/store';

/**
 * Entries that are read at once. Applying an entry parses results of tools, which may be large, so a page must not block the host for long.
 */
const PAGE = 50;

async function* entriesOf(store: Store, run: RunId, from = 0): AsyncGenerator<readonly Entry[]> {
  for (let after = from; ;) {
    const entries = await store.journal(run, after, PAGE);
    yield entries;
    if (entries.length < PAGE) return;
    after = entries.at(-1)?.seq ?? after;
  }
}

async function mustBeStored(store: Store, run: RunId): Promise<StoredRun> {
  const stored = await store.run(run);
  if (stored === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${run} here.`);
  return stored;
}

const parsed = (delivery: string | undefined) => (delivery === undefined ? undefined : (JSON.parse(delivery) as Delivery));

/**
 * @param most maximum of changes; of a long journal, the latest
 * @throws CORRAL_RUN_UNKNOWN, CORRAL_JOURNAL_DAMAGED
 */
export async function contextOf(store: Store, run: RunId, most: number): Promise<readonly ContextChange[]> {
  const ledger = new Ledger((await mustBeStored(store, run)).record, true);
  const changes: ContextChange[] = [];
  for await (const entries of entriesOf(store, run)) {
    for (const entry of entries) {
      const { delivery, effects, decisions, event, seq, at } = entry;
      const then = begin(ledger, parsed(delivery));
      ledger.apply(entry);
      // A crank that was discarded has no effects.
      changes.push(...then({ seq, at, effects: effects === undefined ? [] : (JSON.parse(effects) as Effect[]), decisions, event }));
    }
    if (changes.length > most) changes.splice(0, changes.length - most);
  }
  return changes;
}

/** The ledger of a run at the beginning of its journal, or of its last segment where what came before was pruned. */
interface Beginning {
  readonly ledger: Ledger;
  readonly pages: AsyncGenerator<readonly Entry[]>;
  /** Takes the next entry in. */
  readonly apply: (entry: Entry) => void;
}

/** @throws CORRAL_RUN_UNKNOWN, CORRAL_JOURNAL_DAMAGED, CORRAL_RUN_ERASED */
export async function fromItsBeginning(store: Store, run: RunId): Promise<Beginning> {
  const { record, checkpoint } = await mustBeStored(store, run);
  const first = await store.journal(run, 0, 1).catch((error: unknown) => {
    if (!(error instanceof CorralError) || error.code !== 'CORRAL_JOURNAL_PRUNED') throw error;
    return undefined;
  });
  const ledger = new Ledger(record, true);
  return {
    ledger,
    pages: entriesOf(store, run, first === undefined ? Math.max(0, checkpoint - 1) : 0),
    apply: (entry) => ledger.apply(entry, first === undefined ? { checkpoint } : {}),
  };
}

/**
 * The people whose private data each entry of a journal may hold, by number. Entries without any are left out, and so are those before the last
 * checkpoint where the beginning of the journal was pruned.
 * @throws CORRAL_RUN_UNKNOWN, CORRAL_JOURNAL_DAMAGED, CORRAL_RUN_ERASED
 */
export async function privateIn(store: Store, run: RunId): Promise<ReadonlyMap<number, Names>> {
  const { ledger, pages, apply } = await fromItsBeginning(store, run);
  const found = new Map<number, Names>();
  for await (const entries of pages)
    for (const entry of entries) {
      const mayRead = privateTo(ledger, { delivery: parsed(entry.delivery), event: entry.event });
      apply(entry);
      const names = entry.private_to ?? mayRead(entry);
      if (names.length > 0) found.set(entry.seq, names);
    }
  return found;
}
