/** Runs as the index of runs lists them. */
import type { RunId } from '@corral/protocol/ids';
import type { RunRecord } from '@corral/protocol/model/run';
import type { StoredRun } from '@corral/protocol/ports/store';
import type { HostPort } from '../ports.ts';

/** With the version that it is on, which is not that of its record once it was upgraded. */
export const listed = ({ record, version }: Pick<StoredRun, 'record' | 'version'>): RunRecord => ({ ...record, version });

/** Entries at the end of a journal in which the last stop is looked for: little happens to a run that stands still. */
const ENTRIES = 200;

/** By whom a run was paused, put under quarantine or resumed last, from its journal; null if that cannot be found there. @param seq of its last entry */
export async function stoppedBy(host: Pick<HostPort, 'journal'>, run: string, seq: number): Promise<string | null> {
  const entries = await host.journal(run as RunId, Math.max(0, seq - ENTRIES), ENTRIES).catch(() => []);
  const event = entries.findLast((entry) => entry.event?.kind === 'control')?.event;
  return event?.kind === 'control' ? event.by : null;
}
