/** Views of a running host for people: a row for each run, a row for each cell. No run depends on anything here. */
import { targetText, type RunId, type TenantId } from '@corral/protocol/ids';
import type { WaitingOn } from '@corral/protocol/model/run';
import type { Store } from '@corral/protocol/ports/store';
import type { Cell } from '../cells/cell.ts';
import type { RunView, Taken } from './observation.ts';
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
    key_private_to: record.service === undefined ? [] : (record.label?.private_to ?? []),
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

/** @see Supervisor.holders */
export function holdersOf(runs: Iterable<Run>, tenant: TenantId, most: number, now: number): RunView[] {
  const rank = (run: Run) => (run.isAtWork ? 2 : run.runnable ? 1 : 0);
  const own = [...runs].filter((run) => run.tenant === tenant && run.outcome === undefined);
  return own
    .sort((a, b) => rank(b) - rank(a))
    .slice(0, most)
    .map((run) => viewOf(run, now));
}

/** CPU time of the crank that a run is in, as last measured; the ledger has it once the crank is over. */
function crankOf({ onCpu, seat }: Run): number {
  const task = onCpu === undefined ? undefined : seat?.cell.task;
  return task === undefined || task.kind === 'replay' || task.assignment !== seat?.assignment ? 0 : (task.used_ms ?? 0);
}

/**
 * How many calls of runs in memory have been made and have no answer, by tool. A run that is parked has none: one that waits for an answer
 * stays in memory.
 */
export function underWay(runs: Iterable<Run>): Map<string, number> {
  const tools = new Map<string, number>();
  for (const { ledger } of runs)
    for (const pending of ledger.pending.values()) if (pending.kind === 'call') tools.set(pending.tool, (tools.get(pending.tool) ?? 0) + 1);
  return tools;
}

/** A run that this host has just taken into memory. */
export const takenOf = ({ ledger, epoch }: Run): Taken => ({
  record: ledger.record,
  version: ledger.version,
  epoch,
  fresh: ledger.seq === 0,
});

function waitingFor(run: Run): string {
  const { ledger, waiting } = run;
  if (run.onCpu !== undefined || waiting === 'nothing' || waiting === 'message' || waiting === 'timer')
    return run.onCpu === undefined && waiting !== 'nothing' ? waiting : '';
  for (const pending of ledger.pending.values())
    if (waiting === 'approval' && pending.kind === 'approval')
      return pending.call.question === true ? 'an answer to its question' : `approval of ${pending.call.tool}`;
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

/** How many runs a host has, and how long they wait for it; for figures, so it counts and describes none of them. */
export interface Load {
  /** Runs in memory by state: `running`, `runnable`, `waiting`, `paused`, `quarantined`. */
  readonly states: ReadonlyMap<string, number>;
  /** Those that have something to wait for, by what it is; parked ones only where they wait for people. */
  readonly waiting: ReadonlyMap<WaitingOn, number>;
  readonly cells: number;
  /** How long the run has waited for a crank that has waited longest. */
  readonly oldest_ms: number;
}

/** Waits that only people can end. Runs in them are counted when they are parked as well. */
const FOR_PEOPLE = ['approval', 'resolution', 'upgrade'] as const;

export async function loadOf(
  runs: ReadonlyMap<RunId, Run>,
  { store, now, cells }: { readonly store: Pick<Store, 'parkedForPeople'>; readonly now: number; readonly cells: number },
): Promise<Load> {
  const states = new Map(['running', 'runnable', 'waiting', 'paused', 'quarantined'].map((state) => [state, 0]));
  const waiting = new Map<WaitingOn, number>(FOR_PEOPLE.map((what) => [what, 0]));
  const count = (what: WaitingOn, by: number) => waiting.set(what, (waiting.get(what) ?? 0) + by);
  let oldest = now;
  for (const run of runs.values()) {
    if (run.outcome !== undefined) continue;
    const state = run.control !== 'none' ? run.control : run.isAtWork ? 'running' : run.runnable ? 'runnable' : 'waiting';
    states.set(state, (states.get(state) ?? 0) + 1);
    if (state === 'runnable') oldest = Math.min(oldest, run.busySince ?? now);
    if (run.waiting !== 'nothing') count(run.waiting, 1);
  }
  const parked = await store.parkedForPeople();
  for (const what of FOR_PEOPLE) count(what, parked[what] ?? 0);
  return { states, waiting, cells, oldest_ms: now - oldest };
}

/** A process of a host. */
export interface CellView {
  readonly id: string;
  readonly tenant: TenantId | undefined;
  readonly ready: boolean;
  readonly runs: number;
  readonly pid: number | undefined;
}

/** A process of a host, with what it does now and what it uses; measured when this is asked for. */
export interface CellDetail {
  readonly id: string;
  readonly tenant: TenantId | undefined;
  readonly pid: number | undefined;
  readonly state: 'starting' | 'idle' | 'working' | 'stuck' | 'paused' | 'frozen' | 'ending';
  /** The run whose crank or replay it has now. */
  readonly on_cpu: RunId | undefined;
  /** Runs that have an isolate in it. */
  readonly runs: readonly RunId[];
  /** CPU time of all threads of the process since it started; undefined where nothing measures it. */
  readonly cpu_ms: number | undefined;
  readonly memory_mib: number | undefined;
}

interface Seated {
  runs(cell: Cell): Iterable<Run>;
  onCpu(cell: Cell): Run | undefined;
}

export function cellDetails(cells: Iterable<Cell>, seats: Seated): CellDetail[] {
  return [...cells].map((cell) => {
    const meter = cell.dead ? undefined : cell.meter();
    return {
      id: cell.id,
      tenant: cell.tenant,
      pid: cell.pid,
      state: stateOf(cell),
      on_cpu: seats.onCpu(cell)?.id,
      runs: Array.from(seats.runs(cell), ({ id }) => id),
      cpu_ms: meter?.all_cpu_ms === undefined ? undefined : Math.round(meter.all_cpu_ms),
      memory_mib: meter && Math.round(meter.rss_mib),
    };
  });
}

function stateOf(cell: Cell): CellDetail['state'] {
  if (cell.killed || cell.dead || cell.tenure.retiring) return 'ending';
  if (!cell.ready) return 'starting';
  if (cell.paused) return 'paused';
  if (cell.stuck) return 'stuck';
  return cell.frozen ? 'frozen' : cell.task === undefined ? 'idle' : 'working';
}

export function cellViews(cells: Iterable<Cell>, scheduler: { load(cell: Cell): number }): CellView[] {
  return [...cells].map((cell) => ({ id: cell.id, tenant: cell.tenant, ready: cell.ready, runs: scheduler.load(cell), pid: cell.pid }));
}
