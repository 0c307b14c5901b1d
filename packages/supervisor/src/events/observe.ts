/** Views of a running host for people: a row for each run, a row for each cell. No run depends on anything here. */
import type { PendingDelivery } from '@corral/protocol/wire/delivery';
import { targetText, type TenantId } from '@corral/protocol/ids';
import type { Cell } from '../cells/cell.ts';
import type { Observation, RunView } from './observation.ts';
import type { Run } from '../runs/run.ts';

/** @param now on the monotonic clock, in milliseconds */
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
    low: ledger.purse.isLow(),
    age_ms: run.began === undefined ? 0 : now - run.began,
    crank_age_ms: run.crankAge(now),
  };
}

/** CPU time of the crank that a run is in, as last measured; the ledger has it once the crank is over. */
function crankOf({ onCpu, seat }: Run): number {
  const task = onCpu === undefined ? undefined : seat?.cell.task;
  return task === undefined || task.kind === 'replay' || task.assignment !== seat?.assignment ? 0 : (task.used_ms ?? 0);
}

/** How long the agent waited for each answer, from the crank that asked to the crank that gets the answer. */
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
    let [children, timers] = [0, 0];
    for (const { kind } of ledger.pending.values()) {
      if (kind === 'child') children += 1;
      else if (kind === 'timer') timers += 1;
    }
    // Only the agent knows which of them it awaits.
    return `${timers === 0 ? '' : 'a timer or '}${children === 1 ? '1 child' : `${children} children`}`;
  }
  for (const pending of ledger.pending.values()) {
    if (pending.kind === 'request' && waiting === 'call') return pending.peer === undefined ? pending.what : `reply of ${pending.peer}`;
    if (pending.kind === 'inspection' && waiting === 'call')
      return `${pending.asks.join(', ')} to inspect a call of ${targetText(pending.tool)}`;
    if (pending.kind === 'call' && (waiting !== 'resolution' || pending.state === 'unknown'))
      return waiting === 'resolution' ? `resolution of ${pending.tool}` : targetText(pending.tool);
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

export function cellViews(cells: Iterable<Cell>, scheduler: { load(cell: Cell): number }): CellView[] {
  return [...cells].map((cell) => ({ id: cell.id, tenant: cell.tenant, ready: cell.ready, runs: scheduler.load(cell), pid: cell.pid }));
}
