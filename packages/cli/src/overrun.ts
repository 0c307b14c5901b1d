/** The author's lines at which an agent used up its CPU time, for commands with a host of their own. */
import type { RunId } from '@corral/protocol/ids';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Store } from '@corral/protocol/ports/store';
import type { Supervisor } from '@corral/supervisor';
import { bundlesOf } from './folder.ts';

/** @returns positions in the bundle; undefined for other outcomes, or if they cannot be found */
export async function whereItComputed(
  { supervisor, store }: { readonly supervisor: Pick<Supervisor, 'trial'>; readonly store: Pick<Store, 'run' | 'journal' | 'bundle'> },
  run: RunId,
  outcome: Outcome,
): Promise<string | undefined> {
  if (outcome.kind !== 'exceeded' || outcome.limit !== 'cpu') return undefined;
  const stored = await store.run(run);
  if (stored === undefined) return undefined;
  const entries = await store.journal(run);
  // The run has ended whatever becomes of this.
  const { overrunStack } = await import('@corral/supervisor');
  return overrunStack(stored.record, entries, bundlesOf(store), (options) => supervisor.trial(options)).catch(() => undefined);
}
