/** For commands with a host of their own: the author's lines at which an agent used up its CPU time, and what to do about how a run ended. */
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

/** Advice to the author about how a run ended. Loaded on demand: most runs complete. */
export async function adviceAbout(outcome: Outcome): Promise<readonly string[]> {
  if (outcome.kind === 'completed') return [];
  const { adviceToAuthor } = await import('@corral/server/evidence/advice');
  return adviceToAuthor(outcome);
}
