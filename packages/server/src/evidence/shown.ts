/** The parts of runs that a reader is shown: their journals, inputs and outcomes, each without what its label withholds from this reader. */
import { unionOf } from '@corral/policy/flow/labels';
import type { Withheld } from '@corral/protocol/api/withheld';
import type { RunId } from '@corral/protocol/ids';
import type { Names } from '@corral/protocol/model/label';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Entry } from '@corral/protocol/model/run';
import type { Result } from '@corral/protocol/wire/delivery';
import type { StoredRun } from '@corral/protocol/ports/store';
import type { Reading } from '../people/reader.ts';
import { withArrived, type Read } from './acted.ts';
import { effectsOf } from './calls.ts';
import type { Journals, Labels } from './labels.ts';
import type { Pages } from './pages.ts';
import { entryWithout, entryWithoutStopped, outcomeWithout, resultWithout, stoppedIn, type ShownEntry } from './without.ts';

/** The label of something about which nothing is known. */
const UNKNOWN: Names = ['*'];

export type ReadShown = (run: RunId, after: number, limit: number) => Promise<readonly ShownEntry[]>;

interface Sources {
  readonly host: Pick<Journals, 'journal'>;
  readonly labels: Labels;
  readonly index: { readonly get: (run: string) => { readonly tenant: string } | undefined };
}

/** An entry as a reader may see it. @param names of its label */
export function shownEntry(entry: Entry, names: Names, reader: Reading, run: RunId, tenant: string): ShownEntry {
  const withheld = reader.withheld(run, tenant, names);
  if (withheld !== undefined) return entryWithout(entry, withheld);
  const stopped = stoppedIn(entry);
  if (stopped.length === 0) return entry;
  const why = reader.stopped(run, tenant, [...new Set(stopped.flatMap(({ rules = [] }) => rules))]);
  return why === undefined ? entry : entryWithoutStopped(entry, why);
}

/** Journals as a reader may see them. */
export function shownJournal({ host, labels, index }: Sources, reader: Reading): ReadShown {
  return async (run, after, limit) => {
    const entries = await host.journal(run, after, limit);
    const names = await labels.of(run, entries);
    const tenant = index.get(run)?.tenant ?? '';
    return entries.map((entry, i) => {
      const private_to = names[i] ?? UNKNOWN;
      return shownEntry({ ...entry, private_to }, private_to, reader, run, tenant);
    });
  };
}

/** How a run ended, as a reader may see it. */
export async function shownOutcome(
  { labels }: Sources,
  reader: Reading,
  stored: StoredRun,
): Promise<{ readonly outcome: Outcome | null; readonly withheld?: Withheld }> {
  const { record, status } = stored;
  const outcome = status.outcome ?? null;
  if (outcome === null) return { outcome };
  const withheld = reader.withheld(record.id, record.tenant, await labels.ofRun(stored));
  return withheld === undefined ? { outcome } : { outcome: outcomeWithout(outcome), withheld };
}

interface Arriving {
  readonly answers: () => Promise<readonly Result[]>;
  /** The reason that withholds data with this label from the reader. */
  readonly withheld: (names: Names) => Withheld | undefined;
}

/** A journal with the answers that have come since its last entry, as a reader may see them; see `withArrived`. */
export async function* withShownArrived(pages: Pages, { answers, withheld }: Arriving): AsyncGenerator<readonly (Read & ShownEntry)[]> {
  const declared = new Map<number, Names>();
  let last: Names = [];
  const noted = async function* () {
    for await (const page of pages) {
      for (const { decisions, event, private_to = UNKNOWN, ...entry } of page) {
        for (const { id, tool_facts } of event?.kind === 'inspected' ? [...decisions, event.decision] : decisions)
          if (tool_facts?.private_to !== undefined) declared.set(id, [tool_facts.private_to]);
        // The journal does not say whose values were behind handles in the arguments.
        for (const effect of effectsOf({ ...entry, decisions, event }))
          if (effect.kind === 'call' && effect.handles !== undefined) declared.set(effect.id, UNKNOWN);
        last = private_to;
      }
      yield page;
    }
  };
  for await (const page of withArrived(noted(), answers))
    yield page.map((entry) => {
      if (entry.arrived === undefined) return entry;
      const names = entry.arrived.reduce((all, { id }) => unionOf(all, declared.get(id) ?? []), last);
      const why = withheld(names);
      return why === undefined ? entry : { ...entry, arrived: entry.arrived.map((result) => resultWithout(result)), withheld: why };
    });
}

/** Notes whether anything was withheld of the pages that pass through. */
export class Noted {
  #withheld: Withheld | undefined;

  async *through<E extends ShownEntry>(pages: AsyncIterable<readonly E[]>): AsyncGenerator<readonly E[]> {
    for await (const page of pages) {
      for (const { withheld } of page) this.#withheld ??= withheld;
      yield page;
    }
  }

  get view(): { readonly withheld?: Withheld } {
    return this.#withheld === undefined ? {} : { withheld: this.#withheld };
  }

  /** The same as a sentence; none if all is there. */
  get lines(): string[] {
    return this.#withheld === undefined ? [] : [`Some of it is withheld. ${this.#withheld.why} ${this.#withheld.ask}`];
  }
}
