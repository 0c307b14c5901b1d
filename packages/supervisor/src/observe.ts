/** What can be seen of a host while it runs: a row a run, and what happens. Nothing here is needed for a run to go on. */
import type { ContextChange } from '@corral/protocol/context';
import type { PendingDelivery } from '@corral/protocol/delivery';
import type { CorralError } from '@corral/protocol/errors';
import type { GrantId, RunId, TenantId } from '@corral/protocol/ids';
import type { Outcome } from '@corral/protocol/outcome';
import type { Control, HoldReason, LadderStep, Lifecycle, Residency, WaitingOn } from '@corral/protocol/run';
import type { Holder, SpendName, SpendPeriod } from '@corral/protocol/spend';
import type { Quarantine } from '@corral/protocol/store';
import type { Resting } from './agent-breakers.ts';
import type { Cell } from './cells/cell.ts';
import type { Stall } from './progress.ts';
import type { Run } from './runs/run.ts';
import type { Stage } from './stage.ts';

export interface RunView {
  readonly id: RunId;
  readonly tenant: TenantId;
  readonly agent: string;
  /** Of a service's instance: what tells it from the others. */
  readonly key: string | undefined;
  readonly parent: RunId | undefined;
  readonly lifecycle: Lifecycle;
  readonly control: Control;
  readonly residency: Residency;
  readonly waiting: WaitingOn;
  /** What exactly it waits on: a tool's name, a number of children. */
  readonly waitingFor: string;
  readonly outcome: Outcome | undefined;
  /** How far it is up the ladder of what is done about loops. */
  readonly rung: LadderStep;
  readonly on_cpu: boolean;
  /** It has something to do, and waits for its host. */
  readonly runnable: boolean;
  readonly cpu_ms: number;
  readonly heap_kib: number;
  readonly calls: number;
  /** Spent, with what its ended children spent. */
  readonly tokens: number;
  readonly money_micros: number;
  /** Of them, those that have no answer yet. */
  readonly open_calls: number;
  readonly effects: number;
  /** Share of its budget that is left, of the amount that runs out first. */
  readonly left: number;
  /** Since its first crank, paused time included. */
  readonly age_ms: number;
  /** Since its last crank began; for one that was stopped, its time on the CPU and the time from then on. */
  readonly crank_age_ms: number;
}

export type Observation =
  | { readonly kind: 'admitted' | 'began' | 'woken'; readonly run: RunId }
  | { readonly kind: 'parked'; readonly run: RunId; readonly view: RunView }
  /** A call waits for people to decide about it. */
  | { readonly kind: 'asked'; readonly run: RunId; readonly call: number; readonly tool: string }
  | {
      readonly kind: 'decided';
      readonly run: RunId;
      readonly call: number;
      readonly by: string;
      readonly verdict: 'approve' | 'deny' | 'expired';
    }
  /** A detector's finding took it a step up the ladder. */
  | {
      readonly kind: 'step';
      readonly run: RunId;
      readonly step: Exclude<LadderStep, 'observe'>;
      readonly detector: string;
      readonly reason: string;
    }
  /** No run of a version is taken for a while, since too many of them failed; or again, since one that tried it went well. */
  | ({ readonly kind: 'resting' } & Resting)
  | { readonly kind: 'rested'; readonly tenant: TenantId; readonly agent: string; readonly version: string }
  /** A durable stop was put up, or lifted; `by` whom, and which run led to it. */
  | {
      readonly kind: 'quarantined' | 'lifted';
      readonly quarantine: Quarantine;
      readonly by: string;
      readonly reason: string;
      readonly run?: RunId;
    }
  /** Somebody took back a grant, and all that was derived from it. */
  | {
      readonly kind: 'revoked';
      readonly grant: GrantId;
      /** Who held it. */
      readonly run: RunId | undefined;
      readonly by: string;
      readonly reason: string;
      readonly calls_aborted: number;
    }
  /** It was paused by what it did itself: a policy, or an account above it that is spent. */
  | { readonly kind: 'paused'; readonly run: RunId; readonly by: string; readonly reason: string }
  /** A soft bound of an account was reached, for the first time in its period; by a commit of this run. */
  | {
      readonly kind: 'warned';
      readonly run: RunId;
      readonly holder: Holder;
      readonly period: SpendPeriod;
      readonly which: string;
      readonly name: SpendName;
      readonly committed: number;
      readonly soft: number;
    }
  /** A candidate that runs beside the policies in force would have decided otherwise. */
  | {
      readonly kind: 'differs';
      readonly run: RunId;
      readonly tenant: TenantId;
      readonly agent: string;
      readonly entry: number;
      readonly call: number;
      readonly action: 'call' | 'send' | 'spawn';
      /** The tool, or the agent it was for. */
      readonly target: string;
      readonly was: string;
      readonly would: string;
      readonly rules: readonly string[];
      readonly would_rules: readonly string[];
      /** Version of the candidate. */
      readonly candidate: string;
    }
  /** It may not go on before somebody has looked. */
  | { readonly kind: 'held'; readonly run: RunId; readonly why: HoldReason; readonly detail: string }
  /** What the store has of it cannot be read: it is quarantined, and the others go on. */
  | { readonly kind: 'damaged'; readonly run: RunId; readonly error: CorralError }
  | { readonly kind: 'ended'; readonly run: RunId; readonly outcome: Outcome; readonly view: RunView }
  /** A call's result was taken in by its agent, this long after it was asked for. */
  | { readonly kind: 'answered'; readonly run: RunId; readonly tool: string; readonly ms: number }
  /** Its label, what it holds, or its purse is another than before. */
  | { readonly kind: 'context'; readonly run: RunId; readonly changes: readonly ContextChange[] }
  | { readonly kind: 'emitted'; readonly run: RunId; readonly event: string; readonly data: unknown }
  | { readonly kind: 'logged'; readonly run: RunId; readonly level: string; readonly text: string }
  /** The store would not take a commit of this run. */
  | { readonly kind: 'refused'; readonly run: RunId; readonly error: CorralError }
  /** Cells cannot be started here. */
  | { readonly kind: 'hopeless'; readonly error: CorralError }
  /** This host has work and does none, or could do none; and it does again. */
  | { readonly kind: 'stalled'; readonly stall: Stall }
  | { readonly kind: 'moves'; readonly reason: Stall['reason']; readonly since: number };

export function viewOf(run: Run, now: number): RunView {
  const { ledger } = run;
  const { record } = ledger;
  const { cpu_ms, tokens, money_micros } = ledger.spent();
  return {
    id: run.id,
    tenant: run.tenant,
    agent: record.agent,
    key: record.service?.key,
    parent: record.parent?.run,
    lifecycle: run.lifecycle,
    control: run.control,
    residency: run.residency,
    waiting: run.waiting,
    waitingFor: waitingFor(run),
    outcome: run.outcome,
    rung: ledger.loops?.rung.step ?? 'observe',
    on_cpu: run.onCpu !== undefined,
    runnable: run.runnable,
    cpu_ms: cpu_ms + crankOf(run),
    heap_kib: run.seat === undefined ? 0 : run.heap_kib,
    calls: ledger.calls,
    tokens,
    money_micros,
    open_calls: ledger.inFlight,
    effects: ledger.effects,
    left: ledger.purse.leftShare(),
    age_ms: run.began === undefined ? 0 : now - run.began,
    crank_age_ms: run.crankAge(now),
  };
}

/** CPU time of the crank that a run is in, as last measured; the ledger has it once the crank is over. */
function crankOf({ onCpu, seat }: Run): number {
  const task = onCpu === undefined ? undefined : seat?.cell.task;
  return task === undefined || task.kind === 'replay' || task.assignment !== seat?.assignment ? 0 : (task.used_ms ?? 0);
}

/** How long the agent waited for each answer, from the crank that asked to the crank that is given it. */
export function answersOf(run: Run, delivery: PendingDelivery): Observation[] {
  if (delivery.kind !== 'reply') return [];
  return delivery.results.flatMap(({ id }): Observation[] => {
    const pending = run.ledger.pending.get(id);
    return pending?.kind === 'call' ? [{ kind: 'answered', run: run.id, tool: pending.tool, ms: run.crankBegan - pending.asked_at }] : [];
  });
}

function waitingFor(run: Run): string {
  const { ledger, waiting } = run;
  if (run.onCpu !== undefined || waiting === 'nothing' || waiting === 'message' || waiting === 'timer')
    return run.onCpu === undefined && waiting !== 'nothing' ? waiting : '';
  for (const pending of ledger.pending.values())
    if (waiting === 'approval' && pending.kind === 'approval') return `approval of ${pending.call.tool}`;
  if (waiting === 'child') {
    let children = 0;
    for (const pending of ledger.pending.values()) if (pending.kind === 'child') children += 1;
    return children === 1 ? '1 child' : `${children} children`;
  }
  for (const pending of ledger.pending.values()) {
    if (pending.kind === 'request' && waiting === 'call') return pending.peer === undefined ? pending.what : `reply of ${pending.peer}`;
    if (pending.kind === 'call' && (waiting !== 'resolution' || pending.state === 'unknown'))
      return waiting === 'resolution' ? `resolution of ${pending.tool}` : `tool:${pending.tool}`;
  }
  return waiting;
}

/** A process of a host. */
export interface CellView {
  readonly id: string;
  readonly tenant: TenantId | undefined;
  readonly ready: boolean;
  readonly runs: number;
  readonly pid: number | undefined;
}

export function cellViews(cells: Iterable<Cell>, stage: Stage): CellView[] {
  return [...cells].map((cell) => ({ id: cell.id, tenant: cell.tenant, ready: cell.ready, runs: stage.load(cell), pid: cell.pid }));
}
