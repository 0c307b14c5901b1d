/** Operations of people on runs: pause, resume, cancel, kill, resolve, decide, release. Receipts say what was really done. */
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import type { AgentVersion } from '@corral/protocol/model/manifest';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Fenced, Receipt } from '@corral/protocol/model/receipt';
import { annotationsOf, mayRepeat } from '@corral/protocol/ports/tool';
import type { Cell } from '../cells/cell.ts';
import { cancelChildren, endDescendants } from '../runs/family.ts';
import type { RunLifecycle } from '../runs/lifecycle.ts';
import { mustHaveEnded, takenBack, toKill } from './fencing.ts';
import { moveTo, type MovingOptions } from './moving.ts';
import { alive, isFull, isSpent, isStale, RunTurns } from './run-turns.ts';
import { Verdicts, type VerdictsOptions } from './verdicts.ts';
import type { Residency } from '../runs/residency.ts';
import type { Run } from '../runs/run.ts';
import type { Scheduler } from '../cells/scheduler.ts';
import type { Transitions } from '../events/transitions.ts';

/** Conditions of a resumption. */
interface ResumeOnly {
  /** It was paused together with this run. */
  readonly family?: RunId;
  /** It is under quarantine, and was not paused by a person since. */
  readonly quarantined?: boolean;
  /** The entry of its journal by which it was stopped, and nothing has stopped or resumed it since. */
  readonly halt?: number | undefined;
}

export interface ControlOptions extends VerdictsOptions, Pick<MovingOptions, 'bundles' | 'trial'> {
  readonly runs: ReadonlyMap<RunId, Run>;
  readonly scheduler: Scheduler;
  readonly residency: Residency;
  readonly lifecycle: RunLifecycle;
  readonly transitions: Transitions;
  readonly pause_grace_ms: number;
  /** Reason of the quarantine that stops a run; undefined if there is none. */
  readonly quarantined: (run: Run) => string | undefined;
}

const NOTHING = { cell_killed: false, grants_revoked: 0, calls_aborted: 0, calls_unknown: [], children: [] } as const;

type Killed = Extract<Outcome, { kind: 'killed' }>;

interface Details {
  readonly cell_killed?: boolean;
  readonly grants_revoked?: number;
  readonly calls_aborted?: number;
  readonly calls_unknown?: readonly number[];
  readonly fenced?: Fenced;
  readonly not_reached?: readonly RunId[];
  readonly children?: readonly Receipt[];
}

export class Control {
  readonly #options: ControlOptions;
  /** Runs that are frozen in a crank, with a function that cancels the end of their grace. */
  readonly #frozen = new Map<RunId, { readonly cell: Cell; readonly stopGrace: () => void }>();

  readonly #turns: RunTurns;
  readonly #verdicts: Verdicts;
  readonly #killing = new Map<RunId, Promise<Receipt>>();
  /** Cells that were killed with a run on their CPU, and the callbacks that wait for the end of their process. */
  readonly #dying = new Map<Cell, (() => void)[]>();

  constructor(options: ControlOptions) {
    this.#options = options;
    this.#turns = new RunTurns(options);
    this.#verdicts = new Verdicts(options, this.#turns);
    const { scheduler, detection } = options.transitions;
    scheduler.onCellGone.listen((cell) => {
      for (const then of this.#dying.get(cell) ?? []) then();
      this.#dying.delete(cell);
    });
    scheduler.onDiscarded.listen(({ id }) => this.#thaw(id));
    detection.onPause.listen((id, reason) => void this.pause(id, 'loops', reason).catch(() => undefined));
  }

  /**
   * Pauses a run at once, also within a crank; deliveries wait for its resumption. Its wall clock stops too. A crank that is being decided is
   * discarded and repeated after the resumption.
   * @param family the run that is paused together with its descendants, of which this is one
   */
  async pause(id: RunId, by: string, reason: string, control: 'paused' | 'quarantined' = 'paused', family?: RunId): Promise<Receipt> {
    const stopped = this.#stopDeciding(id, control);
    const pause = async (run: Run, began: number) => {
      const { clock, scheduler, broker } = this.#options;
      if (run.control !== 'none' && run !== stopped?.run) throw new CorralError('CORRAL_RUN_STATE', `${id} is ${run.control} already.`);
      this.#stop(run, control);
      const cell = run.seat?.cell;
      // A crank that was sent ahead of its turn cannot be frozen before it has begun.
      while (cell !== undefined && run.seat?.cell === cell && cell.isBehind(run.seat.assignment) && run.outcome === undefined) {
        await new Promise<void>((resolve) => clock.after(0, resolve));
      }
      if (cell !== undefined && run.onCpu !== undefined && run.seat?.cell === cell) this.#freeze(run, cell);
      if (cell?.paused === true) {
        scheduler.moveRunsFrom(cell);
        // The process stops a moment after the signal was sent.
        while (cell.frozen && !cell.still) await new Promise<void>((resolve) => clock.after(0, resolve));
      }
      // The run may have ended meanwhile.
      alive(id, run);
      const latency_ms = clock.monotonic() - began;
      await broker.record(run, { kind: 'control', control, by, reason, ...(family === undefined ? {} : { family }) });
      return this.#receipt(run, 'pause', by, reason, latency_ms);
    };
    return this.#turns.take(id, pause, false).finally(() => stopped?.letGo());
  }

  /** Stops a run whose crank is being decided, before operations that wait for that crank. @returns the run, and what lets it be parked again */
  #stopDeciding(id: RunId, control: 'paused' | 'quarantined'): { readonly run: Run; readonly letGo: () => void } | undefined {
    const run = this.#options.runs.get(id);
    if (run === undefined || run.outcome !== undefined || run.control !== 'none' || !run.behind.deciding) return undefined;
    this.#stop(run, control);
    return { run, letGo: run.keep() };
  }

  #stop(run: Run, control: 'paused' | 'quarantined'): void {
    const { clock, scheduler } = this.#options;
    run.stop(control);
    scheduler.discard(run);
    run.tick(clock.monotonic());
  }

  /**
   * Resumes a paused run: in its cell if that was kept, else by replay.
   * @throws CORRAL_RUN_STATE, CORRAL_QUARANTINED, CORRAL_CHANGED
   */
  resume(id: RunId, by: string, reason: string, { family, quarantined = false, halt }: ResumeOnly = {}): Promise<Receipt> {
    return this.#turns.take(id, async (run, began) => {
      const { clock, scheduler, broker } = this.#options;
      if (halt !== undefined) await this.#mustStandSince(id, halt);
      if (run.control === 'none') throw new CorralError('CORRAL_RUN_STATE', `${id} is not paused.`);
      if (family !== undefined && run.ledger.family !== family)
        throw new CorralError('CORRAL_RUN_STATE', `${id} was not paused with ${family}.`);
      if (quarantined && run.control !== 'quarantined') throw new CorralError('CORRAL_RUN_STATE', `${id} is not under quarantine.`);
      const stands = this.#options.quarantined(run);
      if (stands !== undefined) throw new CorralError('CORRAL_QUARANTINED', `${id} is under quarantine: ${stands}.`);
      run.goOn();
      run.tick(clock.monotonic());
      this.#thaw(id);
      scheduler.wake(run);
      const latency_ms = clock.monotonic() - began;
      await broker.record(run, { kind: 'control', control: 'none', by, reason });
      this.#options.lifecycle.goesOn(run);
      return this.#receipt(run, 'resume', by, reason, latency_ms);
    });
  }

  /** @throws CORRAL_CHANGED if the run was resumed or stopped after an entry of its journal */
  async #mustStandSince(id: RunId, halt: number): Promise<void> {
    const { store, broker } = this.#options;
    await broker.settled(id);
    const entries = await store.journal(id, halt - 1);
    const last = entries.findLast(({ event }) => event?.kind === 'control');
    if (last?.seq === halt) return;
    const { event } = last ?? {};
    const since =
      event?.kind === 'control'
        ? `${event.by} ${event.control === 'none' ? 'resumed' : event.control} it since: ${event.reason}`
        : `entry ${halt} of its journal did not stop it`;
    throw new CorralError('CORRAL_CHANGED', `${id} is not stopped as it was shown: ${since.replace(/\.$/, '')}.`);
  }

  /** Asks a run and its descendants to stop. Each has its own grace to clean up, after which it is ended. */
  cancel(id: RunId, by: string, reason: string, grace_ms: number = MACHINE.cancel_grace_ms.default): Promise<Receipt> {
    return this.#turns.take(id, async (run, began) => {
      const { clock, scheduler, broker } = this.#options;
      if (run.ledger.cancelled !== undefined) throw new CorralError('CORRAL_RUN_STATE', `${id} is being cancelled already.`);
      const durable = broker.record(run, { kind: 'cancel', by, reason, grace_ms });
      this.#options.lifecycle.startGrace(run, { by, reason, grace_ms });
      run.queue.add({ kind: 'cancel', reason, reaches_awaits: true });
      scheduler.wake(run);
      const children = cancelChildren(run, (child) => this.cancel(child, by, reason, grace_ms));
      // It is awaited below; this prevents an unhandled rejection until then.
      children.catch(() => undefined);
      await durable;
      const latency_ms = clock.monotonic() - began;
      return this.#receipt(run, 'cancel', by, reason, latency_ms, await children);
    });
  }

  /**
   * Ends a run now: it gets no more deliveries, its grants and all grants derived from them are revoked, its calls are aborted, its cell is
   * killed if it is on the CPU, and the same happens to its descendants. Resolves when all of that is true and durable.
   */
  async kill(id: RunId, by: string, reason: string): Promise<Receipt> {
    const killing = this.#kill(id, by, reason);
    // Others wait for the first kill; a second one finds that the run has ended.
    if (!this.#killing.has(id)) this.#killing.set(id, killing);
    try {
      return await killing;
    } finally {
      if (this.#killing.get(id) === killing) this.#killing.delete(id);
    }
  }

  /**
   * Ends a run whose end was refused together with the commits before it, by a full disk or since others have spent what they need, or since
   * another node has taken the run. It is brought back from the store, and its fence ends it at once; the store keeps space for that.
   * @throws the first error, if the end is refused again
   */
  async #endedByFence(id: RunId, outcome: Outcome, error: unknown): Promise<Fenced | undefined> {
    if (isStale(error)) return takenBack(this.#options, id, outcome);
    if (!isFull(error) && !isSpent(error)) throw error;
    if ((await this.#options.residency.hold(id)) !== undefined) await this.#options.broker.settled(id).catch(() => undefined);
    if ((await this.#options.residency.hold(id)) !== undefined) throw error;
    return undefined;
  }

  /** The kill of a run that is under way; undefined if there is none. */
  killing(id: RunId): Promise<Receipt> | undefined {
    return this.#killing.get(id);
  }

  async #kill(id: RunId, by: string, reason: string): Promise<Receipt> {
    const { clock, lifecycle } = this.#options;
    const began = clock.monotonic();
    const outcome = { kind: 'killed', by, reason } as const;
    let run: Run;
    try {
      const found = await toKill(this.#options, id, outcome);
      if (found.run !== undefined && found.fenced !== undefined)
        return await this.#killedElsewhere(found.run, found.fenced, began, outcome);
      run = alive(id, found.run);
    } catch (error) {
      // The run cannot be read, so nothing of it can run. It suffices to record its end.
      if (!(error instanceof CorralError) || error.code !== 'CORRAL_JOURNAL_DAMAGED') throw error;
      await this.#endUnreadable(id, outcome);
      return {
        run: id,
        operation: 'kill',
        by,
        reason,
        latency_ms: clock.monotonic() - began,
        lifecycle: 'ended',
        control: 'quarantined',
        ...NOTHING,
      };
    }
    const calls = [...run.ledger.pending.values()].filter((pending) => pending.kind === 'call');
    const underway = calls.filter((call) => this.#options.broker.isUnderway(id, call.id));
    const unknown = calls.filter(({ id: call, tool, input, state }) => {
      const called = annotationsOf(this.#options.tool(run.tenant, tool), input);
      return state === 'unknown' || (this.#options.broker.isUnderway(id, call) && (called === undefined || !mayRepeat(called)));
    });
    const cell = run.seat?.cell;
    const onCpu = cell !== undefined && run.seat !== undefined && cell.worksFor(run.seat.assignment);
    // Children first: their receipts are part of this one.
    const children = this.#killChildren(run, by, reason);
    const durable = lifecycle.end(run, outcome, true);
    // They are awaited below; this prevents unhandled rejections until then.
    for (const written of [durable, children]) written.catch(() => undefined);
    if (onCpu) await this.#gone(cell);
    const latency_ms = clock.monotonic() - began;
    const fenced = await durable.then(
      () => undefined,
      (error: unknown) => this.#endedByFence(id, outcome, error),
    );
    const receipts = await children;
    await this.#endRest(run, outcome);
    return this.#receipt(run, 'kill', by, reason, latency_ms, {
      cell_killed: onCpu,
      grants_revoked: run.ledger.caps.size,
      calls_aborted: underway.length,
      calls_unknown: unknown.map((call) => call.id),
      ...(fenced === undefined ? {} : { fenced }),
      children: receipts,
    });
  }

  /** The rest of the kill of a run that was taken from another node, and is ending. */
  async #killedElsewhere(run: Run, fenced: Fenced, began: number, outcome: Killed): Promise<Receipt> {
    const { by, reason } = outcome;
    const { clock, tool } = this.#options;
    // This node does not know which calls that one has under way.
    const unknown = [...run.ledger.pending.values()].filter((pending) => {
      const annotations = pending.kind === 'call' ? annotationsOf(tool(run.tenant, pending.tool), pending.input) : undefined;
      return pending.kind === 'call' && (annotations === undefined || pending.state === 'unknown' || !mayRepeat(annotations));
    });
    const children = this.#killChildren(run, by, reason);
    // It is awaited below; this prevents an unhandled rejection until then.
    children.catch(() => undefined);
    const again = await mustHaveEnded(this.#options, run.id, outcome);
    const latency_ms = clock.monotonic() - began;
    const receipts = await children;
    await this.#endRest(run, outcome);
    return this.#receipt(run, 'kill', by, reason, latency_ms, {
      grants_revoked: run.ledger.caps.size,
      calls_unknown: unknown.map(({ id }) => id),
      fenced: again ?? fenced,
      children: receipts,
    });
  }

  /** Kills the children of a run. @returns their receipts; one that has ended by itself has none */
  async #killChildren({ ledger }: Run, by: string, reason: string): Promise<Receipt[]> {
    const children = [...ledger.pending.values()].flatMap((pending) => (pending.kind === 'child' ? [pending.run] : []));
    const receipts = children.map((child) =>
      this.kill(child, by, reason).catch((error: unknown) => {
        if (error instanceof CorralError && error.code === 'CORRAL_RUN_UNKNOWN') return undefined;
        throw error;
      }),
    );
    return (await Promise.all(receipts)).filter((receipt) => receipt !== undefined);
  }

  /** Ends what is left of a killed run's descendants. To be called once its end is durable. */
  #endRest({ id }: Run, { by, reason }: Killed): Promise<void> {
    return endDescendants({ ...this.#options, control: this }, id, (child) => this.kill(child, by, reason));
  }

  /** Ends a run that cannot be brought into memory. */
  async #endUnreadable(id: RunId, outcome: Outcome): Promise<void> {
    const { store, clock, residency } = this.#options;
    for (const told of await store.bury(id, outcome, clock.now())) residency.hint(told);
  }

  /** Resolves once the process of a cell is gone. */
  #gone(cell: Cell): Promise<void> {
    if (cell.dead) return Promise.resolve();
    return new Promise((resolve) => this.#dying.set(cell, [...(this.#dying.get(cell) ?? []), resolve]));
  }

  /** @see Verdicts.resolve */
  resolve(...settled: Parameters<Verdicts['resolve']>): Promise<void> {
    return this.#verdicts.resolve(...settled);
  }

  /** @see Verdicts.withdraw */
  withdraw(...withdrawn: Parameters<Verdicts['withdraw']>): Promise<void> {
    return this.#verdicts.withdraw(...withdrawn);
  }

  /** @see Verdicts.decide */
  decide(...decided: Parameters<Verdicts['decide']>): Promise<void> {
    return this.#verdicts.decide(...decided);
  }

  /** @see Verdicts.answer */
  answer(...answered: Parameters<Verdicts['answer']>): Promise<void> {
    return this.#verdicts.answer(...answered);
  }

  /** @see moveTo */
  upgrade(id: RunId, version: AgentVersion, by: string): Promise<void> {
    return this.#turns.take(id, (run) => moveTo(this.#options, run, version, by));
  }

  /** Releases a run that was held, after a restore or because it replays differently. @throws CORRAL_RUN_STATE */
  release(id: RunId, by: string, reason: string): Promise<void> {
    return this.#turns.take(id, async (run) => {
      const { broker, scheduler } = this.#options;
      if (run.ledger.held === undefined) throw new CorralError('CORRAL_RUN_STATE', `${id} is not held.`);
      await broker.record(run, { kind: 'released', by, reason });
      run.tick(this.#options.clock.monotonic());
      await run.behind.enter(async () => run.outcome === undefined && this.#options.lifecycle.askAgain(run));
      scheduler.wake(run);
      this.#options.lifecycle.goesOn(run);
    });
  }

  /** Freezes the cell during a crank. If the run is not resumed within a grace, the crank is discarded, and repeated after a replay. */
  #freeze(run: Run, cell: Cell): void {
    const { clock, scheduler } = this.#options;
    cell.pause();
    const stopGrace = clock.after(this.#options.pause_grace_ms, () => {
      this.#frozen.delete(run.id);
      scheduler.killCell(cell, run);
      if (run.outcome === undefined) run.putBack();
      else run.leaveCpu();
      scheduler.wake(run);
    });
    this.#frozen.set(run.id, { cell, stopGrace });
  }

  /** Lets the cell go on that a run froze, if there is one: the run goes on, or its crank has ended before the process had stopped. */
  #thaw(id: RunId): void {
    const frozen = this.#frozen.get(id);
    if (frozen === undefined) return;
    this.#frozen.delete(id);
    frozen.stopGrace();
    frozen.cell.resume();
  }

  #receipt(run: Run, operation: Receipt['operation'], by: string, reason: string, latency_ms: number, details: Details = {}): Receipt {
    return {
      run: run.id,
      operation,
      by,
      reason,
      latency_ms,
      lifecycle: run.lifecycle,
      control: run.control,
      ...NOTHING,
      ...details,
    };
  }
}
