/**
 * Whether the end of a run counts in the breaker of its agent version. A run that was given less than its agent asks for may fail for that
 * reason; if its failure counted, a submitter who gives too little could open the breaker for everybody else.
 */
import { isPlain, type Grants } from '@corral/policy/capability/grants';
import type { RunId } from '@corral/protocol/ids';
import { BUDGET_NAMES, SPAWN_BUDGET } from '@corral/protocol/limits';
import type { AgentManifest } from '@corral/protocol/model/manifest';
import type { RunRecord } from '@corral/protocol/model/run';

/** The part of a run in memory that is read here. */
export interface Given {
  readonly ledger: { readonly record: RunRecord };
  readonly manifest: AgentManifest;
}

/** Whether an amount is below the usual one. An amount that is left out is not. */
export function isBelow(asked: Readonly<Record<string, number | undefined>>, usual: Readonly<Record<string, number | undefined>>): boolean {
  return Object.entries(asked).some(([name, amount]) => amount !== undefined && amount < (usual[name] ?? 0));
}

/** Whether one of a run's initial capabilities was narrowed on its way to the run. To be asked while the run has its grants. */
export function holdsLess({ caps }: RunRecord, grants: Grants): boolean {
  for (const { grant: own } of caps)
    for (let grant = grants.get(own); grant !== undefined; grant = grant.parent === undefined ? undefined : grants.get(grant.parent))
      if (!isPlain(grant) || grant.rights !== undefined || grant.passes !== undefined) return true;
  return false;
}

/** Whether the run's submitter, its parent or one of its ancestors gave it less than its agent asks for. */
export function isNarrowed(run: Given, runs: { get(id: RunId): Given | undefined }, holdLess: ReadonlySet<RunId>): boolean {
  const { record } = run.ledger;
  // The author of the agent is not at fault when a program that a model wrote fails.
  if (record.narrowed === true || record.program !== undefined || holdLess.has(record.id)) return true;
  if (record.parent === undefined) return false;
  // CPU time is left out: a child gets a share of what is left by default, and a run that lacks it ends as `exceeded`, which does not
  // count.
  const asked = { ...SPAWN_BUDGET, ...run.manifest.budget };
  if (BUDGET_NAMES.some((name) => name !== 'cpu_ms' && record.budget[name] < asked[name])) return true;
  const parent = runs.get(record.parent.run);
  return parent !== undefined && isNarrowed(parent, runs, holdLess);
}
