/** Runs and their journals, read from a running host, or from a data folder. */
import type { Client } from '@corral/protocol/api/client';
import type { Withheld } from '@corral/protocol/api/withheld';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Decision } from '@corral/protocol/model/decision';
import type { Entry, HostEvent, RunHeader, RunRecord, RunStatus } from '@corral/protocol/model/run';
import type { Place } from './connect.ts';
import { linesOf } from './authors.ts';
import { authorsLines, withReading } from './folder.ts';

/** Facts about a run that are shown besides its journal. */
export interface Shown {
  readonly record: Pick<RunRecord, 'id' | 'agent' | 'input' | 'origin'> &
    Partial<Pick<RunRecord, 'parent'>> & { readonly header: RunHeader };
  /** The version that it is on. */
  readonly version: RunRecord['version'];
  readonly status: Pick<RunStatus, 'lifecycle' | 'control' | 'waiting' | 'outcome'>;
}

/** An entry; a host says of one that the caller may not read why that is. */
export type ShownEntry = Entry & { readonly withheld?: Withheld };

export interface Evidence {
  readonly stored: Shown;
  readonly entries: readonly ShownEntry[];
  /** Maps positions in the run's bundle to its author's lines. */
  readonly authors: (text: string) => string;
}

/**
 * @param after only entries after this one
 * @throws CORRAL_RUN_UNKNOWN, CORRAL_JOURNAL_DAMAGED, CORRAL_RUN_ERASED, CORRAL_JOURNAL_PRUNED, CORRAL_FORBIDDEN
 */
export async function evidenceOf(place: Place, run: RunId, after = 0): Promise<Evidence> {
  if ('client' in place) {
    const { stored, authors } = await shownBy(place.client, run);
    const entries: ShownEntry[] = [];
    for await (const entry of journalBy(place.client, run, after)) entries.push(entry);
    return { stored, entries, authors };
  }
  return withReading(place.data, async (store) => {
    const stored = await store.run(run);
    if (stored === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${run} in ${place.data}.`);
    return { stored, entries: await store.journal(run, after), authors: await authorsLines(store, stored) };
  });
}

async function shownBy(client: Client, run: RunId): Promise<Omit<Evidence, 'entries'>> {
  const shown = await client.showRun({ params: { run } });
  const { agent, version, input, header, origin, lifecycle, control, waiting, outcome } = shown;
  if (header === null) throw new CorralError('CORRAL_FORBIDDEN', `You may not read the journal of ${run}.`);
  const stored: Shown = {
    version,
    record: { id: run, agent: agent as RunRecord['agent'], input, header, ...(origin === null ? {} : { origin }) },
    status: { lifecycle, control, waiting, outcome: outcome ?? undefined },
  };
  return { stored, authors: await linesOf(client, shown) };
}

type Listed = Awaited<ReturnType<Client['runJournal']>>['items'][number];

/** A journal from a host, page by page. */
export async function* pagesBy(client: Client, run: RunId, after: number): AsyncGenerator<Listed> {
  for (let from: number | null = after; from !== null;) {
    const { items, next }: Awaited<ReturnType<Client['runJournal']>> = await client.runJournal({ params: { run }, query: { after: from } });
    yield* items;
    from = next;
  }
}

/** The same in the form of the store's entries. */
async function* journalBy(client: Client, run: RunId, after: number): AsyncGenerator<ShownEntry> {
  for await (const { seq, at, cpu_us, delivery, effects, decisions, event, withheld } of pagesBy(client, run, after))
    yield {
      seq,
      at,
      cpu_us,
      delivery: delivery === null ? undefined : JSON.stringify(delivery),
      effects: effects === null ? undefined : JSON.stringify(effects),
      decisions: decisions as unknown as readonly Decision[],
      event: (event ?? undefined) as HostEvent | undefined,
      ...(withheld === undefined ? {} : { withheld }),
    };
}
