/**
 * The lifecycle of runs in memory: admission, cranks, deliveries, ends, and what follows from each. The scheduler decides in which cell a
 * run is, the residency whether it is in memory, the broker what it may do.
 */
import type { Accounts } from '@corral/broker/accounts/accounts';
import type { Broker } from '@corral/broker/broker';
import type { BusEvents, Crank } from '@corral/broker/bus';
import type { Look } from '@corral/broker/dispatch/window';
import { Ledger } from '@corral/broker/ledger/ledger';
import type { Grants } from '@corral/policy/capability/grants';
import type { Delivery, PendingDelivery, Result } from '@corral/protocol/wire/delivery';
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { Cancelled } from '@corral/broker/ledger/pending';
import { boundedOutcome, type Outcome } from '@corral/protocol/model/outcome';
import type { Clock } from '@corral/protocol/ports/machine';
import type { HostEvent, RunRecord } from '@corral/protocol/model/run';
import type { Store } from '@corral/protocol/ports/store';
import type { Tool } from '@corral/protocol/ports/tool';
import type { Bundles } from '../admission/bundles.ts';
import { programOf } from '../admission/programs.ts';
import { graceLeft_ms } from './grace.ts';
import { askedOf } from '../events/asked.ts';
import type { Tell } from '../events/observation.ts';
import { tellOfBus } from '../events/bus-news.ts';
import { deniedIn, leftBy, seenIn } from '../events/cranks.ts';
import { takenOf, viewOf } from '../events/observe.ts';
import type { Membership } from './membership.ts';
import type { Loops } from '../detection/loops.ts';
import { startOf } from './start.ts';
import type { Residency } from './residency.ts';
import { kept, lost } from '../control/revocation.ts';
import { arrivedAt } from './arrived.ts';
import { askAgain, giveAnswers, holdRestored } from './taken-up.ts';
import { grantsIn, letGo } from './queue.ts';
import { Refusals } from './refusals.ts';
import { mailboxesOf, Stalled } from './stalled.ts';
import type { RunTable } from './places.ts';
import { Run, type OnCpu } from './run.ts';
import { Clocks } from './clocks.ts';
import { billed } from '../cells/usage.ts';
import type { Ends } from './ends.ts';
import type { Settlements } from './settlements.ts';
import type { Scheduler } from '../cells/scheduler.ts';
import type { Transitions } from '../events/transitions.ts';
import type { Watching } from '../detection/watching.ts';

export interface LifecycleOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly broker: Broker;
  readonly grants: Grants;
  readonly accounts: Pick<Accounts, 'follow'>;
  readonly bundles: Bundles;
  readonly runs: RunTable;
  readonly watching: Watching;
  readonly scheduler: Scheduler;
  readonly residency: Residency;
  readonly settlements: Settlements;
  readonly ends: Ends;
  readonly membership: Membership;
  readonly loops: Loops;
  readonly transitions: Transitions;
  readonly tool: (tenant: TenantId, name: string) => Tool | undefined;
  /** Reason of the quarantine that stops a run; undefined if there is none. */
  readonly quarantined: (run: Run) => string | undefined;
}

export class RunLifecycle {
  readonly #options: LifecycleOptions;
  readonly #refusals: Refusals;
  readonly #clocks: Clocks;
  readonly #stalled: Stalled;
  readonly #tell: Tell;

  constructor(options: LifecycleOptions) {
    this.#options = options;
    this.#tell = options.transitions.observers.tell;
    this.#clocks = new Clocks({
      clock: options.clock,
      hold: (id) => options.residency.hold(id),
      onDue: (run, id) => this.#due(run, id),
      waiting_ms: (run) => options.scheduler.waiting_ms(run),
      onOver: (run) => {
        const message = `The run took longer than ${run.ledger.record.ceilings.wall_ms} ms.`;
        this.endSoon(run, { kind: 'exceeded', limit: 'wall', message }, true);
      },
    });
    this.#stalled = new Stalled(options, (run, outcome) => this.endSoon(run, outcome, false));
    this.#refusals = new Refusals({ ...options, deliver: (run, delivery) => this.deliver(run, delivery, undefined) });
    this.#hear(options.transitions);
  }

  #hear({ scheduler, residency, detection, bus }: Transitions): void {
    scheduler.onBegin.listen((run) => this.#begin(run));
    scheduler.onCranked.listen((run, crank, effects, cpu_us) => this.#cranked(run, crank, effects, cpu_us));
    residency.onWoken.listen((run) => this.#woken(run));
    residency.onCaughtUp.listen((run) => void this.#stalled.look(run));
    scheduler.onRested.listen((run) => void this.#stalled.look(run));
    residency.onParked.listen((run) => this.#parked(run));
    residency.onDamaged.listen((run, error) => this.#tell({ kind: 'damaged', run, error }));
    detection.onKill.listen((run, outcome) => this.endSoon(run, outcome, true));
    this.#hearBus(bus);
    tellOfBus(bus, this.#options, this.#tell);
  }

  #hearBus(bus: Transitions['bus']): void {
    const { runs, residency, settlements } = this.#options;
    bus.deliver.listen((run, delivery, inbox) => this.deliver(run, delivery, inbox));
    bus.answered.listen((id, result, once) => this.#answered(id, result, once));
    bus.timer.listen((id, timer, due) => {
      const run = runs.get(id);
      if (run !== undefined && run.outcome === undefined) this.#clocks.setTimer(run, timer, due);
    });
    bus.timerDone.listen((id, timer) => runs.get(id)?.alarms.callOff(timer));
    bus.spawned.listen((record) => void this.#spawned(record));
    bus.arrived.listen((run) => residency.hint(run));
    bus.ended.listen((id, outcome) => this.#ended(id, outcome));
    bus.unknown.listen((id, call, message, detail) => lost(this.#options, id, call, message, detail));
    bus.input.listen((id, call, request) => settlements.input(id, runs.get(id), call, request));
    bus.fence.listen((id, result) => settlements.fence(runs.get(id), result));
    bus.asks.listen((id, decision) => {
      const run = runs.get(id);
      const pending = run?.ledger.pending.get(decision.id);
      if (run === undefined || pending?.kind !== 'approval') return;
      this.#clocks.setTimer(run, pending.id, pending.expires_at);
      const { tool } = pending.call;
      const asked = askedOf(run.ledger, pending, decision, this.#options.tool(run.ledger.record.tenant, tool));
      this.#tell({ kind: 'asked', run: id, call: pending.id, tool, asked });
    });
    bus.streamed.listen((run, chunk) => this.#streamed(run, chunk));
    bus.takeBack.listen((id, call, then) => runs.get(id)?.behind.do(() => runs.get(id)?.queue.takeBackChunk(call, then)));
    bus.looks.listen((run, ...look) => this.#looks(run, ...look));
  }

  /** @param once the call may not be repeated, so its answer must not be lost */
  #answered(id: RunId, result: Result, once: boolean): void {
    const { runs, broker } = this.#options;
    const run = runs.get(id);
    if (run?.behind.deciding === true) {
      // Stored already, so that it is not lost if the host dies before the crank is decided.
      const pending = run.ledger.pending.get(result.id);
      if (once && pending?.kind === 'call' && !broker.isRevoked(pending.grant)) broker.answers.hold(run, result);
      return run.behind.answered(result, () => this.#answered(id, result, once && !broker.answers.has(id, result.id)));
    }
    const looked = run === undefined ? result : broker.inspectAnswer(run, result);
    if (looked instanceof Promise) return this.#inspecting(run as Run, result, looked);
    this.deliver(id, { kind: 'reply', results: [looked] }, undefined);
    if (once && run?.queue.hasReply(result.id) === true) broker.answers.hold(run, looked);
  }

  /** Inspectors are asked about an answer. It is kept meanwhile as it came: it was paid for, and a host that dies has not delivered it. */
  #inspecting(run: Run, result: Result, looked: Promise<Result | undefined>): void {
    const { runs, broker } = this.#options;
    const pending = run.ledger.pending.get(result.id);
    if (run.outcome === undefined && pending?.kind === 'call' && !broker.isRevoked(pending.grant)) broker.answers.hold(run, result);
    void looked.then((told) => told !== undefined && runs.get(run.id) === run && this.#answered(run.id, told, false));
  }

  /** Nobody waits for what is said of a stream whose run has ended. */
  #looks(id: RunId, ...[answer, then]: Parameters<Look>): void {
    const { runs, broker } = this.#options;
    const run = runs.get(id);
    run?.behind.do(() => {
      if (run.outcome !== undefined) return;
      const looked = broker.inspectAnswer(run, answer);
      if (looked instanceof Promise) void looked.then((told) => told && runs.get(id) === run && then(told));
      else then(looked);
    });
  }

  /** Like a result, a chunk may be larger than what is left of the run's bytes, but once nothing is left, no other one is delivered. */
  #streamed(id: RunId, chunk: Parameters<BusEvents['streamed']>[1]): void {
    const run = this.#options.runs.get(id);
    if (run === undefined || run.ledger.purse.left('bytes') > 0) return this.deliver(id, chunk, undefined);
    this.#options.broker.refuseStream(id, chunk.id, 'The rest of the answer is not delivered: the run has used up its bytes.', 'bytes');
  }

  /** Called when a timer is due, or the time limit of a request or approval. */
  #due(run: Run, id: number): void {
    const { kind } = run.ledger.pending.get(id) ?? {};
    if (kind === 'approval') return this.#options.settlements.expire(run, id);
    if (kind === 'request') return this.#options.settlements.unanswered(run, id, 'CORRAL_TIMED_OUT', 'Nobody replied in time.');
    if (this.#options.runs.get(run.id) === run) this.deliver(run.id, { kind: 'timer', id }, undefined);
  }

  /** Takes a run that was just admitted into memory. */
  adopt(run: Run): void {
    run.used(this.#options.clock.monotonic());
    this.#options.runs.set(run.id, run);
    this.#tell({ kind: 'admitted', run: run.id, taken: takenOf(run) });
    const stands = this.#options.quarantined(run);
    if (stands !== undefined) {
      run.stop('quarantined');
      this.note(run, { kind: 'control', control: 'quarantined', by: 'quarantine', reason: stands });
    }
    run.queue.add(startOf(run.ledger, run.manifest, this.#options));
    this.#options.scheduler.wake(run);
  }

  /** Called when a run is back from the store: sets its timers, and continues its calls. */
  #woken(run: Run): void {
    const { clock } = this.#options;
    const fence = this.#refusals.fenceOf(run);
    if (fence !== undefined) return this.endSoon(run, fence.outcome, fence.revoke);
    this.#tell({ kind: 'woken', run: run.id, taken: takenOf(run) });
    this.#options.loops.woken(run);
    const stands = this.#options.quarantined(run);
    if (stands !== undefined && run.control === 'none') {
      run.stop('quarantined');
      this.note(run, { kind: 'control', control: 'quarantined', by: 'quarantine', reason: stands });
    }
    if (stands === undefined) this.#options.transitions.lifecycle.onClear.emit(run);
    const { ledger } = run;
    // A resumption moves the ladder down from `pause`, so the run has not been resumed since.
    if (run.control === 'none' && ledger.loops?.rung.step === 'pause') {
      run.stop('paused');
      const reason = 'The detectors had paused it, and the host ended before the pause was recorded.';
      this.note(run, { kind: 'control', control: 'paused', by: 'loops', reason });
    }
    if (run.restored) holdRestored(this.#options, run);
    if (ledger.wall.began_at !== undefined) run.begin(clock.monotonic());
    if (ledger.cancelled !== undefined) this.startGrace(run, ledger.cancelled);
    this.#clocks.set(run);
    this.#options.settlements.fenceRequests(run);
    giveAnswers(this.#options, run);
    // The calls of a held run may have been carried out already. They are continued when a person releases it.
    if (ledger.held === undefined) askAgain(this.#options, run);
    this.#options.scheduler.wake(run);
  }

  /** Schedules the end of a cancelled run after its grace. */
  startGrace(run: Run, { by, reason, ...cancelled }: Omit<Cancelled, 'told'>): void {
    const { clock } = this.#options;
    const left_ms = graceLeft_ms(cancelled, (from, until) => run.ledger.wall.absent(from, until), clock.now());
    const stop = clock.after(left_ms, () => {
      if (run.outcome === undefined) this.endSoon(run, { kind: 'cancelled', by, reason }, true);
    });
    run.alarms.set('grace', stop);
  }

  /** Continues the calls of a run that was held and released. */
  askAgain(run: Run): void {
    this.#clocks.setInputs(run);
    askAgain(this.#options, run);
  }

  /** Called when a run has left memory: its timers here stop; those in the store go on. */
  #parked(run: Run): void {
    this.#options.loops.parked(run.id);
    run.alarms.callOffAll();
    // Another node may take it.
    if (this.#options.membership.isFleet) this.#options.ends.follow(run.id);
    this.#tell({ kind: 'parked', run: run.id, view: viewOf(run, this.#options.clock.monotonic()) });
  }

  /**
   * Adds a delivery for a run: an item of its inbox, or one that only this host has, such as a tool's reply (`inbox` is undefined then).
   */
  deliver(id: RunId, delivery: PendingDelivery, inbox: number | undefined): void {
    this.#options.loops.delivered(id);
    const run = this.#options.runs.get(id);
    if (run?.behind.deciding === true) return run.behind.do(() => this.deliver(id, delivery, inbox));
    if (run === undefined || run.outcome !== undefined) {
      // The grants that it carries are in the store too, and are loaded with the run.
      for (const grant of grantsIn(delivery)) this.#options.grants.release(grant);
      if (run === undefined && inbox !== undefined) this.#options.residency.hint(id);
      return;
    }
    const left = inbox === undefined ? kept(this.#options, run, delivery) : delivery;
    if (left === undefined) return;
    if (inbox === undefined) run.queue.add(left);
    else if (inbox <= run.queue.lastInbox + 1) run.queue.receive(delivery, inbox);
    else return this.#options.residency.hint(id);
    this.#options.scheduler.wake(run);
  }

  #begin(run: Run): void {
    // A first crank that was taken back, or lost with its cell, is repeated.
    if (run.began !== undefined) return;
    const now = this.#options.clock.monotonic();
    run.begin(now);
    this.#clocks.startWall(run);
    this.#tell({ kind: 'began', run: run.id });
  }

  #cranked(run: Run, crank: OnCpu, effects: string, cpu_us: number): void {
    if (run.outcome !== undefined) return;
    const { observers } = this.#options.transitions;
    const seen = observers.any ? seenIn(run, crank, cpu_us, this.#options) : undefined;
    run.cranked();
    const { inbox, text } = crank;
    const delivery = { ...crank.delivery, at: crank.at } as Delivery;
    const given: Crank = { delivery, deliveryText: text, inbox, effectsText: effects, cpu_us };
    const failed = (error: unknown) => this.#notTaken(run, crank, error);
    this.#options.broker.crank(run, given, {
      taken: (outcome, decisions) => {
        seen?.push(...deniedIn(run.id, decisions));
        try {
          this.#taken(run, outcome);
        } catch (error) {
          failed(error);
        }
      },
      // Not before: a crank that the store refuses is made once more, and would be told twice.
      durable: seen && (() => observers.tellOf(seen)),
      failed,
      stopped: () => this.#options.scheduler.discard(run),
      after: () => {
        this.#options.scheduler.wake(run);
        void this.#stalled.look(run);
      },
    });
  }

  /** An error of the host while it decided a crank ends the run of that crank, and no other. */
  #notTaken(run: Run, crank: OnCpu, error: unknown): void {
    const message = `The crank could not be taken in: ${String(error)}.`;
    this.endSoon(run, { kind: 'failed', code: 'CORRAL_INTERNAL', message }, true, crank);
  }

  /** Called when the ledger has taken a crank in. */
  #taken(run: Run, outcome: Outcome | undefined): void {
    if (outcome !== undefined) return this.#close(run, outcome);
    // Before the detectors, or a notice of theirs would go to the isolate before the checkpoint.
    if (run.ledger.segment_entries === 0) this.#beginSegment(run);
    this.#options.loops.cranked(run);
  }

  /**
   * Ends a run from outside of its cranks. Resolves once the end is durable. A crank that is being decided is dropped; its CPU time is
   * charged.
   * @param used_ms CPU time of its last crank, which is charged; left out if the crank may still be on the CPU, and is measured then
   */
  async end(run: Run, how: Outcome, revoke: boolean, crank?: OnCpu, used_ms?: number): Promise<void> {
    const outcome = boundedOutcome(how);
    const arrived = crank === undefined ? arrivedAt(run) : [];
    const dropped = run.behind.drop();
    const cell = run.seat?.cell;
    const underway = cell?.task !== undefined && cell.task.assignment === run.seat?.assignment ? billed(cell, cell.task) : 0;
    this.#refusals.fence(run.id, { outcome, revoke });
    // In the journal, since nothing else tells that these calls were carried out. If the store refuses it, it refuses the end too.
    for (const result of arrived) {
      this.#options.broker.record(run, { kind: 'fenced', id: result.id, result }).catch(() => undefined);
      if (!('error' in result)) this.#tell({ kind: 'withheld', run: run.id, call: result.id });
    }
    this.#close(run, outcome, dropped, crank);
    letGo(this.#options.grants, run, dropped, crank);
    const cpu_us = (used_ms ?? underway) * 1000 + (dropped?.cpu_us ?? 0);
    const durable = this.#options.broker.record(run, { kind: 'ended', outcome }, { revoke, crank, cpu_us });
    run.behind.drain();
    await durable;
  }

  /**
   * Ends a run that another node holds: takes it over, and ends it as it comes back. If it cannot be taken, it does not end later either.
   * @see Revival.seize
   */
  async endElsewhere(id: RunId, outcome: Outcome): ReturnType<Residency['seize']> {
    const fence = { outcome: boundedOutcome(outcome), revoke: true };
    this.#refusals.fence(id, fence);
    try {
      const seized = await this.#options.residency.seize(id);
      if (seized.run?.outcome === undefined) this.#refusals.unfence(id, fence);
      return seized;
    } catch (error) {
      this.#refusals.unfence(id, fence);
      throw error;
    }
  }

  /** Like `end`, but does not wait. If the store refuses the end now, it is repeated as soon as the store can. */
  endSoon(run: Run, outcome: Outcome, revoke: boolean, crank?: OnCpu, used_ms?: number): void {
    this.end(run, outcome, revoke, crank, used_ms).catch(() => undefined);
  }

  /** Records an event in the journal without waiting. If the store refuses it, the broker emits `refused`. */
  note(run: Run, event: HostEvent): void {
    run.behind.do(() => {
      if (run.outcome === undefined) this.#options.broker.record(run, event).catch(() => undefined);
    });
  }

  /** Called when a run that stood still may go on: if nothing can wake it, nothing else would show that. */
  goesOn(run: Run): void {
    this.#options.loops.goesOn(run);
    void this.#stalled.look(run);
  }

  /** Immediate consequences of an end, before it is durable: the run gets no more CPU time, deliveries or timers. */
  #close(run: Run, outcome: Outcome, ...cranks: readonly Parameters<typeof mailboxesOf>[2][]): void {
    run.leaves(mailboxesOf(this.#options.grants, run, run.onCpu, ...cranks));
    run.end(outcome);
    for (const grant of run.queue.drop()) this.#options.grants.release(grant);
    run.alarms.callOffAll();
    letGo(this.#options.grants, run, this.#options.scheduler.leave(run));
  }

  /** Called when the host stops: nothing is begun any more. */
  close(): void {
    this.#refusals.close();
    this.#stalled.close();
    this.#options.broker.halt();
    for (const run of this.#options.runs.values()) {
      run.alarms.callOffAll();
      this.#options.broker.dropCalls(run.ledger);
    }
  }

  async #spawned(record: RunRecord): Promise<void> {
    this.#options.loops.spawned(record);
    const parent = record.parent && this.#options.runs.get(record.parent.run);
    // Its parent has left memory meanwhile, or the child is being brought back already: then it comes from the store.
    if (parent === undefined || parent.outcome !== undefined || this.#options.residency.knows(record.id))
      return this.#options.residency.hint(record.id);
    const own = parent.bundle.digest === record.bundle ? parent.bundle : undefined;
    const bundle = programOf(record) ?? own ?? (await this.#options.bundles.load(record.bundle));
    const run = new Run(new Ledger(record, parent.ledger.tracked, this.#options.watching.watch(record)), bundle, 1);
    this.adopt(run);
  }

  /** Called after a checkpoint: the run goes on in a new isolate, whose start precedes all other deliveries. */
  #beginSegment(run: Run): void {
    this.#options.scheduler.unseat(run);
    if (run.ledger.record.service !== undefined) this.#clocks.resetWall(run);
    run.queue.begin(startOf(run.ledger, run.manifest, this.#options));
  }

  #ended(id: RunId, outcome: Outcome): void {
    this.#refusals.ended(id);
    this.#options.loops.ended(id, outcome);
    const run = this.#options.runs.get(id);
    if (run !== undefined) {
      const now = this.#options.clock.monotonic();
      run.end(outcome);
      if (this.#options.transitions.observers.any) for (const one of leftBy(run, outcome, now)) this.#tell(one);
      this.#tell({ kind: 'ended', run: id, outcome, view: viewOf(run, now), taken: takenOf(run) });
      this.#options.runs.delete(id);
      // Not before the end is durable: if the store had refused it, the children would have been ended without a reason.
      for (const pending of run.ledger.pending.values())
        if (pending.kind === 'child') this.#options.transitions.lifecycle.onOrphaned.emit(pending.run);
      for (const owner of run.mailboxes) this.#stalled.left(owner);
    }
    this.#options.ends.resolve(id, outcome);
  }
}
