/** Effects of a revocation on calls under way: they are aborted, and their results are not delivered. */
import type { Broker } from '@corral/broker/broker';
import type { Grants } from '@corral/policy/capability/grants';
import type { PendingDelivery, Result } from '@corral/protocol/wire/delivery';
import { errorData } from '@corral/protocol/errors';
import type { StoppedCall } from '@corral/protocol/model/receipt';
import type { GrantId, RunId, TenantId } from '@corral/protocol/ids';
import type { PendingApproval, PendingCall, PendingInspection } from '@corral/broker/ledger/pending';
import type { Run } from '../runs/run.ts';
import type { Settlements } from '../runs/settlements.ts';

interface RevocationDeps {
  readonly grants: Grants;
  readonly broker: Broker;
  readonly runs: ReadonlyMap<RunId, Run>;
  readonly settlements: Settlements;
}

/** Whether the capability of a call under way was revoked. */
function isTaken({ grants }: RevocationDeps, run: Run, call: number): boolean {
  const pending = run.ledger.pending.get(call);
  return pending?.kind === 'call' && grants.isRevoked(pending.grant);
}

/** A delivery without the results of calls whose capability was revoked; undefined if nothing is left. */
export function kept(deps: RevocationDeps, run: Run, delivery: PendingDelivery): PendingDelivery | undefined {
  // The end of the stream tells the agent.
  if (delivery.kind === 'chunk') return isTaken(deps, run, delivery.id) ? undefined : delivery;
  if (delivery.kind !== 'reply') return delivery;
  const fenced = delivery.results.filter(({ id }) => isTaken(deps, run, id));
  if (fenced.length === 0) return delivery;
  for (const result of fenced) deps.settlements.fence(run, result);
  const results = delivery.results.filter((result: Result) => !fenced.includes(result));
  return results.length === 0 ? undefined : { ...delivery, results };
}

/** Called when the result of a call is lost. If its capability was revoked, the call is settled; else a person must find out the result. */
export function lost(deps: RevocationDeps, id: RunId, call: number, message: string, detail?: string): void {
  const run = deps.runs.get(id);
  if (run === undefined) return;
  const error = errorData('CORRAL_UNKNOWN_RESULT', message, { call });
  if (isTaken(deps, run, call)) deps.settlements.fence(run, { id: call, error, ...(detail === undefined ? {} : { detail }) });
  else deps.settlements.unknown(run, call, message, detail);
}

/**
 * Called when a grant was marked as revoked. Aborts the calls under it that are under way, and drops their results that have arrived and
 * were not given to the agent yet.
 */
export function stopCalls(deps: RevocationDeps): readonly RunCall[] {
  const calls: RunCall[] = [];
  for (const run of deps.runs.values()) stopCallsOf(deps, run, calls);
  return calls;
}

/** How many of these were aborted now. */
export const abortedIn = (calls: readonly RunCall[]): number => calls.filter(({ fate }) => fate === 'aborted').length;

/** Runs in memory that hold a grant or one derived from it, and their calls under way with such a grant. */
export function reachedBy({ grants, runs }: Pick<RevocationDeps, 'grants' | 'runs'>, grant: GrantId): Reached {
  const isBelow = (id: GrantId): boolean => {
    for (let at: GrantId | undefined = id; at !== undefined; at = grants.get(at)?.parent) if (at === grant) return true;
    return false;
  };
  const reached: RunId[] = [];
  const calls: { run: RunId; call: number }[] = [];
  for (const run of runs.values()) {
    if (run.outcome !== undefined) continue;
    const { caps, pending } = run.ledger;
    if ([...caps.values()].some(isBelow)) reached.push(run.id);
    for (const one of pending.values()) if (one.kind === 'call' && isBelow(one.grant)) calls.push({ run: run.id, call: one.id });
  }
  return { runs: reached, calls };
}

interface Reached {
  readonly runs: readonly RunId[];
  readonly calls: readonly { readonly run: RunId; readonly call: number }[];
}

/** Runs from which a tool is taken back. */
export interface ToolTaking {
  readonly tool: string;
  readonly runs: readonly { readonly id: RunId; readonly tenant: TenantId }[];
  /** The grants that the store knows; a run in memory may hold others, by commits that are on their way. */
  readonly stored: readonly { readonly run: RunId; readonly grant: GrantId }[];
}
/** A tool was taken back from a run. */
export interface ToolTaken extends StoppedCalls {
  /** Until the last grant was durably revoked. */
  readonly latency_ms: number;
  readonly grants_revoked: number;
}

/** The grants to a tool by the runs that hold them. */
export function heldBy(
  { grants, runs: here }: Pick<RevocationDeps, 'grants' | 'runs'>,
  { tool, runs, stored }: ToolTaking,
): Map<RunId, Set<GrantId>> {
  const held = new Map<RunId, Set<GrantId>>();
  const add = (run: RunId, grant: GrantId) => {
    const known = held.get(run);
    if (known === undefined) held.set(run, new Set([grant]));
    else known.add(grant);
  };
  for (const { run, grant } of stored) add(run, grant);
  for (const { id } of runs)
    for (const grant of here.get(id)?.ledger.caps.values() ?? []) {
      const target = grants.get(grant)?.target;
      if (target?.kind === 'tool' && target.tool === tool && !grants.isRevoked(grant)) add(id, grant);
    }
  return held;
}

/** Calls that a revocation names at most. */
export const NAMED = 100;

/** A call that had no result when its grant was revoked, and its run. */
export type RunCall = StoppedCall & { readonly run: RunId };
export interface StoppedCalls {
  /** Without those that had been aborted before. */
  readonly calls_aborted: number;
  /** The first ones. Those of a run that was at work, or in no memory, at that moment are missing. */
  readonly calls: readonly RunCall[];
}

function stopCallsOf(deps: RevocationDeps, run: Run, stopped: RunCall[]): void {
  const { runs, grants, broker } = deps;
  if (run.outcome !== undefined) return;
  if (run.parking !== undefined) {
    // Nothing may be recorded about it now. If it is parked, it is checked when it is brought back; if it stays, it is checked then.
    void run.parking.then(() => runs.get(run.id) === run && stopCallsOf(deps, run, []));
    return;
  }
  const named = (call: number, tool: string, fate: StoppedCall['fate']) => stopped.push({ run: run.id, call, tool, fate });
  const held = [...run.ledger.pending.values()].filter(
    (pending) =>
      (pending.kind === 'call' || pending.kind === 'approval' || pending.kind === 'inspection') && grants.isRevoked(pending.grant),
  ) as readonly (PendingCall | PendingApproval | PendingInspection)[];
  const arrived = new Map(run.queue.unjournaled.map((result) => [result.id, result]));
  run.behind.do(() => {
    if (run.outcome !== undefined) return;
    run.queue.sift((delivery) => kept(deps, run, delivery));
    deps.settlements.fenceRequests(run);
  });
  for (const pending of held) {
    if (pending.kind !== 'call') {
      named(pending.id, pending.kind === 'approval' ? pending.call.tool : pending.tool, 'unmade');
      continue;
    }
    const result = arrived.get(pending.id);
    if (result !== undefined) named(pending.id, pending.tool, 'error' in result ? 'failed' : 'answered');
    // A call that was aborted before may still be under way, because its tool has not obeyed yet; it is not counted again.
    else named(pending.id, pending.tool, broker.abort(run.id, pending.id, 'The capability was taken back.') ? 'aborted' : 'unknown');
  }
}
