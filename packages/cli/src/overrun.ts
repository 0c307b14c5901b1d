/** The author's lines at which an agent used up its CPU time, for commands with a host of their own. */
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Entry } from '@corral/protocol/model/run';
import type { Store } from '@corral/protocol/ports/store';
import type { Supervisor } from '@corral/supervisor';

const PAGE = 200;

/** @returns positions in the bundle; undefined for other outcomes, or if they cannot be found */
export async function whereItComputed(
  { supervisor, store }: { readonly supervisor: Pick<Supervisor, 'trial'>; readonly store: Pick<Store, 'run' | 'journal' | 'bundle'> },
  run: RunId,
  outcome: Outcome,
): Promise<string | undefined> {
  if (outcome.kind !== 'exceeded' || outcome.limit !== 'cpu') return undefined;
  const stored = await store.run(run);
  if (stored === undefined) return undefined;
  const entries: Entry[] = [];
  for (let page = await store.journal(run, 0, PAGE); page.length > 0; page = await store.journal(run, page.at(-1)?.seq ?? 0, PAGE))
    entries.push(...page);
  const bundle = async (digest: Parameters<Store['bundle']>[0]) => {
    const source = await store.bundle(digest);
    if (source === undefined) throw new CorralError('CORRAL_AGENT_UNKNOWN', `The bundle ${digest} is not in this store.`);
    return { digest, source };
  };
  // The run has ended whatever becomes of this.
  const { overrunStack } = await import('@corral/supervisor');
  return overrunStack(stored.record, entries, bundle, (options) => supervisor.trial(options)).catch(() => undefined);
}
