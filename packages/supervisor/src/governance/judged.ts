/**
 * Which ends of runs say something about their agent: a run that was given less than its agent asks for may well fail for want of
 * it, and whoever gave it less must not be able to have the agent rest for everybody else.
 */
import { isPlain, type Grants } from '@corral/policy/capability/grants';
import type { RunId } from '@corral/protocol/ids';
import { BUDGET_NAMES, SPAWN_BUDGET } from '@corral/protocol/limits';
import type { AgentManifest } from '@corral/protocol/model/manifest';
import type { RunRecord } from '@corral/protocol/model/run';

/** A run in memory, as far as this asks about it. */
export interface Given {
  readonly ledger: { readonly record: RunRecord };
  readonly manifest: AgentManifest;
}

/** Whether less is asked for than is usual; amounts that are not named are. */
export function isBelow(asked: Readonly<Record<string, number | undefined>>, usual: Readonly<Record<string, number | undefined>>): boolean {
  return Object.entries(asked).some(([name, amount]) => amount !== undefined && amount < (usual[name] ?? 0));
}

/** Whether what a run begins with was narrowed on its way to it; asked while the run holds it. */
export function holdsLess({ caps }: RunRecord, grants: Grants): boolean {
  for (const { grant: own } of caps)
    for (let grant = grants.get(own); grant !== undefined; grant = grant.parent === undefined ? undefined : grants.get(grant.parent))
      if (!isPlain(grant) || grant.rights !== undefined || grant.passes !== undefined) return true;
  return false;
}

/** Whether its submitter or whoever spawned it, or anybody above them, gave it less than its agent asks for. */
export function isNarrowed(run: Given, runs: { get(id: RunId): Given | undefined }, holdLess: ReadonlySet<RunId>): boolean {
  const { record } = run.ledger;
  if (record.narrowed === true || holdLess.has(record.id)) return true;
  if (record.parent === undefined) return false;
  // CPU time is shared out by halves, and a run that lacks it does not fail: it goes past its limit.
  const asked = { ...SPAWN_BUDGET, ...run.manifest.budget };
  if (BUDGET_NAMES.some((name) => name !== 'cpu_ms' && record.budget[name] < asked[name])) return true;
  const parent = runs.get(record.parent.run);
  return parent !== undefined && isNarrowed(parent, runs, holdLess);
}
