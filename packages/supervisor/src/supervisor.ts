/**
 * The composition root of a host: store, broker, cells and tools put together, and the life of a run through them:
 * admitted, placed on a cell, cranked, its effects brokered, its limits watched, ended, and what follows from that.
 */
import { Broker, type BusEvents } from '@corral/broker/broker';
import { Grants, targetName } from '@corral/policy/grants';
import type { CapabilityView, PendingDelivery } from '@corral/protocol/delivery';
import { CorralError } from '@corral/protocol/errors';
import type { FaultPayload, ReadyPayload } from '@corral/protocol/frame';
import type { Digest, RunId, TenantId } from '@corral/protocol/ids';
import { MACHINE, type LimitName } from '@corral/protocol/limits';
import type { AgentVersion } from '@corral/protocol/manifest';
import type { Outcome } from '@corral/protocol/outcome';
import type { CellLauncher, Clock, ProcessExit, Random } from '@corral/protocol/ports';
import type { RunRecord } from '@corral/protocol/run';
import type { Store } from '@corral/protocol/store';
import { mayRepeat, type Tool } from '@corral/protocol/tool';
import { admit, checkBundle, versionsOf, type Job } from './admission.ts';
import type { Cell, Task } from './cells/cell.ts';
import { CellPool } from './cells/pool.ts';
import { Control } from './control.ts';
import { Describer } from './describe.ts';
import { viewOf, type Observation, type RunView } from './observe.ts';
import { recover } from './recover.ts';
import { Run, type OnCpu } from './runs/run.ts';
import { Stage, usedBy } from './stage.ts';
import { Watch } from './watch.ts';

export interface TenantOptions {
  /** What its agents may be granted. */
  readonly tools: readonly Tool[];
}

export interface SupervisorOptions {
  readonly store: Store;
  readonly launcher: CellLauncher;
  readonly clock: Clock;
  readonly random: Random;
  readonly tenants: Readonly<Record<string, TenantOptions>>;
  /** Digest of the sandbox image. */
  readonly image: string;
  /** Cores of the machine; one of them is kept free of cranks that compute for long. */
  readonly cores: number;
  readonly maxCells?: number;
  readonly cellsPerTenant?: number;
  readonly spares?: number;
  /** How long a run that was frozen in a crank keeps its cell. */
  readonly pause_grace_ms?: number;
}

/** A run that was admitted. */
export interface Submitted {
  readonly id: RunId;
  /** Resolves with the outcome once it is durable; never rejects. */
  readonly ended: Promise<Outcome>;
}

interface LoadedBundle {
  readonly source: string;
  readonly agents: ReadonlyMap<string, AgentVersion>;
}

export class Supervisor {
  readonly control: Control;
  readonly #options: SupervisorOptions;
  readonly #tools = new Map<string, Map<string, Tool>>();
  readonly #bundles = new Map<string, LoadedBundle>();
  readonly #runs = new Map<RunId, Run>();
  readonly #grants = new Grants();
  readonly #observers = new Set<(observation: Observation) => void>();
  readonly #broker: Broker;
  readonly #stage: Stage;
  readonly #pool: CellPool;
  readonly #watch: Watch;
  readonly #describer: Describer;
  #runtime: ReadyPayload | undefined;
  #whenRuntime: ((runtime: ReadyPayload) => void)[] = [];
  readonly #whenGone = new Map<Cell, (() => void)[]>();
  #stopping = false;

  private constructor(options: SupervisorOptions) {
    const { store, clock, random, launcher, cores } = options;
    this.#options = options;
    this.configure(options.tenants);

    this.#broker = new Broker(
      {
        store,
        clock,
        random,
        grants: this.#grants,
        tool: (tenant, name) => this.tool(tenant, name),
        agent: (bundle, name) => this.#bundles.get(bundle)?.agents.get(name),
      },
      this.#busEvents(),
    );
    this.#stage = new Stage({
      clock,
      journal: async (run) => {
        await this.#broker.settled(run.id);
        return store.journal(run.id);
      },
      events: {
        onBegin: (run) => this.#begin(run),
        onCranked: (run, crank, effects, cpu_us) => this.#cranked(run, crank, effects, cpu_us),
        onFault: (run, crank, fault, task) => this.#faulted(run, crank, fault, task),
        onLost: (run, crank, exit, error) => this.#lost(run, crank, exit, error),
        onDescribed: (cell, result) => this.#describer.onDescribed(cell, result),
        onCellGone: (cell, exit) => this.#cellGone(cell, exit),
        onCellReady: (cell) => this.#cellReady(cell),
        onCpu: () => this.#watch.poke(),
      },
    });
    this.#pool = new CellPool({
      launcher,
      clock,
      random,
      spares: options.spares ?? 1,
      cellsPerTenant: options.cellsPerTenant ?? MACHINE.cells_per_tenant.default,
      maxCells: options.maxCells ?? Math.max(4, cores * 4),
      events: this.#stage.cellEvents,
    });
    this.#stage.pool = this.#pool;
    this.#describer = new Describer(() => this.#pool.borrow());
    this.#watch = new Watch({
      clock,
      cells: () => this.#pool.cells,
      slots: Math.max(1, cores - 1),
      memory_mib: (cell) => this.#stage.onCpu(cell)?.ledger.record.ceilings.memory_mib ?? MACHINE.cell_rss_slack_mib.default,
      onExceeded: (cell, limit, message) => this.#exceeded(cell, limit, message),
      onStuck: (cell) => this.#stage.rehome(cell),
      onFull: (cell) => this.#stage.evict(cell),
    });
    this.control = new Control({
      clock,
      broker: this.#broker,
      stage: this.#stage,
      runs: this.#runs,
      pause_grace_ms: options.pause_grace_ms ?? MACHINE.pause_grace_ms.default,
      tool: (tenant, name) => this.tool(tenant, name),
      end: (run, outcome, revoke) => this.#end(run, outcome, revoke),
      gone: (cell) =>
        cell.dead ? Promise.resolve() : new Promise((resolve) => this.#whenGone.set(cell, [...(this.#whenGone.get(cell) ?? []), resolve])),
    });
  }

  /** Starts a host on an open store, and takes up the runs that are in it. */
  static async start(options: SupervisorOptions): Promise<Supervisor> {
    const supervisor = new Supervisor(options);
    await recover({
      store: options.store,
      clock: options.clock,
      broker: supervisor.#broker,
      grants: supervisor.#grants,
      load: (bundle) => supervisor.#load(bundle),
      adopt: (run) => supervisor.#adopt(run),
      timer: (run, id, due) => supervisor.#setTimer(run, id, due),
      proceed: (run) => supervisor.#proceed(run),
    });
    return supervisor;
  }

  /** Says anew what each tenant may be granted. Calls that are under way keep the tool they went to. */
  configure(tenants: SupervisorOptions['tenants']): void {
    this.#tools.clear();
    for (const [tenant, { tools }] of Object.entries(tenants)) this.#tools.set(tenant, new Map(tools.map((tool) => [tool.name, tool])));
  }

  /** A tool of a tenant, by name. */
  tool(tenant: string, name: string): Tool | undefined {
    return this.#tools.get(tenant)?.get(name);
  }

  /** The manifests of each of some bundles of one author, as their own code gives them; it runs in a cell that is thrown away. */
  describe(sources: readonly string[]): Promise<readonly unknown[]> {
    return this.#describer.describe(sources);
  }

  /**
   * Takes a bundle in for a tenant. Deploying the same one again changes nothing.
   * @param manifests of the agents in it, the main one first; checked here
   * @throws CORRAL_BUNDLE_TOO_LARGE, CORRAL_MANIFEST_INVALID, CORRAL_SCHEMA_INVALID, CORRAL_CAP_UNKNOWN
   */
  async deploy(tenant: TenantId, source: string, manifests: unknown): Promise<readonly AgentVersion[]> {
    const bundle = checkBundle(source, manifests, (name) => this.tool(tenant, name));
    const { digest, versions } = versionsOf(bundle);
    await this.#options.store.deploy({ digest, source, source_map: bundle.source_map }, versions);
    this.#bundles.set(digest, { source, agents: new Map(versions.map((version) => [version.manifest.name, version])) });
    return versions;
  }

  /** Admits a job: when this resolves it is durable, and it will be run. */
  async submit(job: Job): Promise<Submitted> {
    if (this.#stopping) throw new CorralError('CORRAL_STOPPING', 'This host is shutting down and takes no new work.');
    const bundle = await this.#load(job.version.bundle);
    const { store, random, clock, image } = this.#options;
    const { node, v8, icu } = await this.#knownRuntime();
    const { record, grants } = admit(job, {
      random,
      now: clock.now(),
      runtime: { image, node, v8, icu },
      tool: (name) => this.tool(job.tenant, name),
    });
    await store.admit(record, grants, true);
    for (const grant of grants) this.#grants.add(grant);
    const run = new Run(record, job.version.manifest, bundle.source, 1);
    const ended = new Promise<Outcome>((resolve) => run.onEnd.push(resolve));
    this.#adopt(run);
    this.#enqueueStart(run);
    return { id: record.id, ended };
  }

  /** Everything this host holds in memory, parents before their children. */
  runs(): RunView[] {
    return [...this.#runs.values()].map((run) => viewOf(run, this.#options.clock.monotonic()));
  }

  /** One of them. */
  view(id: RunId): RunView | undefined {
    const run = this.#runs.get(id);
    return run && viewOf(run, this.#options.clock.monotonic());
  }

  /** The processes of this host. */
  cells(): {
    readonly id: string;
    readonly tenant: TenantId | undefined;
    readonly ready: boolean;
    readonly runs: number;
    readonly pid: number | undefined;
  }[] {
    return [...this.#pool.cells].map((cell) => ({
      id: cell.id,
      tenant: cell.tenant,
      ready: cell.ready,
      runs: this.#stage.load(cell),
      pid: cell.pid,
    }));
  }

  /** The process a run sits in, if it sits in one. */
  cellOf(id: RunId): { readonly id: string; readonly pid: number | undefined } | undefined {
    const cell = this.#runs.get(id)?.seat?.cell;
    return cell && { id: cell.id, pid: cell.pid };
  }

  /** Takes every run that waits out of memory. They come back, by replay, when something arrives for them. */
  park(): void {
    for (const run of this.#runs.values()) if (run.onCpu === undefined && run.queue.length === 0) this.#stage.unseat(run);
  }

  observe(observer: (observation: Observation) => void): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  /** Stops: no new work, cells killed, what was handed to the store is durable. Runs go on when the folder is opened again. */
  async close(): Promise<void> {
    this.#stopping = true;
    this.#watch.close();
    for (const run of this.#runs.values()) {
      run.stopWall?.();
      for (const stop of run.timers.values()) stop();
      this.#broker.dropCalls(run.ledger);
    }
    this.#pool.close();
    await this.#options.store.close();
  }

  // The life of a run

  #adopt(run: Run): void {
    this.#runs.set(run.id, run);
    this.#tell({ kind: 'admitted', run: run.id });
  }

  /** A run that was taken up from the store goes on: what it had asked for is asked for again where that does no harm. */
  #proceed(run: Run): void {
    if (run.ledger.seq === 0) {
      this.#enqueueStart(run);
      return;
    }
    run.began = this.#options.clock.monotonic();
    if (run.control === 'none') this.control.startWall(run);
    for (const pending of run.ledger.pending.values()) {
      if (pending.kind !== 'call' || pending.state === 'unknown') continue;
      const tool = this.tool(run.tenant, pending.tool);
      if (tool !== undefined && mayRepeat(tool.annotations)) this.#broker.reissue(run.ledger, pending);
      else this.control.unknown(run.id, pending.id, `Corral stopped while ${pending.tool} was at work.`);
    }
    this.#stage.wake(run);
  }

  #enqueueStart(run: Run): void {
    const { record } = run.ledger;
    const caps: Record<string, CapabilityView> = {};
    for (const { alias, cap, grant } of record.caps) {
      const target = this.#grants.get(grant)?.target;
      if (alias === '' || target === undefined) continue;
      caps[alias] = { cap, kind: target.kind, name: target.kind === 'tool' ? target.tool : targetName(target) };
    }
    this.#deliver(run.id, { kind: 'start', run: run.id, input: record.input, caps, budget: record.budget }, undefined);
  }

  #deliver(id: RunId, delivery: PendingDelivery, inbox: number | undefined): void {
    const run = this.#runs.get(id);
    if (run === undefined || run.outcome !== undefined) return;
    run.queue.push({ delivery, inbox });
    this.#stage.wake(run);
  }

  #begin(run: Run): void {
    // A first crank that was taken back, or lost with its cell, begins again; the run's time does not.
    if (run.began !== undefined) return;
    run.began = this.#options.clock.monotonic();
    this.control.startWall(run);
    this.#tell({ kind: 'began', run: run.id });
  }

  #cranked(run: Run, crank: OnCpu, effects: string, cpu_us: number): void {
    if (run.outcome !== undefined) return;
    this.#tellAnswered(run, crank);
    const { inbox, text } = crank;
    const delivery = { ...crank.delivery, at: crank.at } as Parameters<Broker['crank']>[1]['delivery'];
    const outcome = this.#broker.crank(run, { delivery, deliveryText: text, inbox, effectsText: effects, cpu_us });
    if (outcome !== undefined) this.#close(run, outcome);
    else if (this.#isStalled(run)) {
      void this.#end(
        run,
        {
          kind: 'failed',
          code: 'CORRAL_STALLED',
          message: 'The run waits for something that nothing can bring: no call, timer, child or message is on its way.',
        },
        false,
      );
    }
  }

  /** How long the agent waited for each answer, from the crank that asked to the crank that was given it. */
  #tellAnswered(run: Run, crank: OnCpu): void {
    if (this.#observers.size === 0 || crank.delivery.kind !== 'reply') return;
    for (const { id } of crank.delivery.results) {
      const pending = run.ledger.pending.get(id);
      if (pending?.kind === 'call')
        this.#tell({ kind: 'answered', run: run.id, tool: pending.tool, ms: run.crankBegan - pending.asked_at });
    }
  }

  /** Nothing in flight, no timer, no child, nobody who could write: it can never wake (DESIGN 2). */
  #isStalled(run: Run): boolean {
    if (run.ledger.pending.size > 0 || run.queue.length > 0) return false;
    const own = run.ledger.caps.get(0);
    return !(run.ledger.listening && own !== undefined && this.#grants.isShared(own));
  }

  #faulted(run: Run, crank: OnCpu | undefined, fault: FaultPayload, task: Task | undefined): void {
    if (run.outcome !== undefined) return;
    if (fault.fault === 'timeout' && crank !== undefined && task !== undefined && task.frozen_ms > 0) {
      // The cell counted time in which it was stopped. The crank is given up and made again.
      run.queue.unshift(crank);
      this.#stage.wake(run);
      return;
    }
    void this.#end(run, outcomeOf(fault, crank, run), false, crank);
  }

  /** The cell died under a crank, and nobody had killed it: what is known of why decides the outcome. */
  #lost(run: Run, crank: OnCpu | undefined, exit: ProcessExit, error: CorralError | undefined): void {
    if (run.outcome !== undefined) return;
    const words = exit.lastWords.trim().split('\n').slice(-3).join(' ').slice(0, 300);
    let outcome: Outcome;
    if (error !== undefined) outcome = { kind: 'failed', code: 'CORRAL_CELL_PROTOCOL', message: error.message };
    else if (OUT_OF_MEMORY.test(exit.lastWords))
      outcome = { kind: 'exceeded', limit: 'memory', message: `The run took its cell’s memory: ${words}` };
    else {
      const how = exit.signal === null ? `exit code ${exit.code}` : `signal ${exit.signal}`;
      outcome = {
        kind: 'failed',
        code: 'CORRAL_CELL_CRASHED',
        message: `The cell ended with ${how} during a crank of this run. ${words}`.trim(),
      };
    }
    void this.#end(run, outcome, false, crank);
  }

  #exceeded(cell: Cell, limit: LimitName, message: string): void {
    const run = this.#stage.onCpu(cell);
    const crank = run?.onCpu;
    if (cell.task !== undefined) run?.stopCrank(usedBy(cell, cell.task) ?? cell.held_ms(), this.#options.clock.monotonic());
    this.#stage.condemn(cell, run);
    if (run === undefined) {
      if (cell.task?.kind === 'describe') this.#describer.onGone(cell, `The bundle could not be loaded: ${message}`);
      return;
    }
    run.onCpu = undefined;
    if (run.outcome === undefined) void this.#end(run, { kind: 'exceeded', limit, message }, false, crank);
  }

  /** Ends a run from outside of its cranks. */
  #end(run: Run, outcome: Outcome, revoke: boolean, crank?: OnCpu): Promise<unknown> {
    this.#close(run, outcome);
    return this.#broker.record(run, { kind: 'ended', outcome }, { revoke, delivery: crank?.text });
  }

  /** What follows at once from the end of a run, before it is durable: it gets no CPU, no timers, and its children go with it. */
  #close(run: Run, outcome: Outcome): void {
    run.outcome = outcome;
    run.queue.length = 0;
    this.control.stopWall(run);
    run.cancelled?.stopGrace();
    for (const stop of run.timers.values()) stop();
    run.timers.clear();
    this.#stage.leave(run);
    for (const pending of run.ledger.pending.values()) {
      if (pending.kind !== 'child') continue;
      const child = this.#runs.get(pending.run);
      if (child !== undefined && child.outcome === undefined) void this.control.kill(child.id, `run:${run.id}`, 'its parent ended');
    }
  }

  #setTimer(run: Run, id: number, due: number): void {
    const stop = this.#options.clock.after(Math.max(0, due - this.#options.clock.now()), () => {
      run.timers.delete(id);
      this.#deliver(run.id, { kind: 'timer', id }, undefined);
    });
    run.timers.set(id, stop);
  }

  #busEvents(): BusEvents {
    return {
      deliver: (run, delivery, inbox) => this.#deliver(run, delivery, inbox),
      timer: (id, timer, due) => {
        const run = this.#runs.get(id);
        if (run !== undefined && run.outcome === undefined) this.#setTimer(run, timer, due);
      },
      timerDone: (id, timer) => {
        const run = this.#runs.get(id);
        run?.timers.get(timer)?.();
        run?.timers.delete(timer);
      },
      spawned: (record) => this.#spawned(record),
      ended: (id, outcome) => this.#ended(id, outcome),
      unknown: (id, call, message) => this.control.unknown(id, call, message),
      emitted: (run, event, data) => this.#tell({ kind: 'emitted', run, event, data }),
      logged: (run, level, text) => this.#tell({ kind: 'logged', run, level, text }),
      refused: (id, error) => this.#refused(id, error),
    };
  }

  #spawned(record: RunRecord): void {
    const bundle = this.#bundles.get(record.bundle);
    const version = bundle?.agents.get(record.agent);
    if (bundle === undefined || version === undefined) return;
    const run = new Run(record, version.manifest, bundle.source, 1);
    this.#adopt(run);
    const parent = record.parent && this.#runs.get(record.parent.run);
    if (parent === undefined || parent.outcome !== undefined)
      void this.control.kill(run.id, `run:${record.parent?.run ?? ''}`, 'its parent ended');
    else this.#enqueueStart(run);
  }

  #ended(id: RunId, outcome: Outcome): void {
    const run = this.#runs.get(id);
    if (run === undefined) return;
    run.outcome = outcome;
    this.#tell({ kind: 'ended', run: id, outcome, view: viewOf(run, this.#options.clock.monotonic()) });
    this.#runs.delete(id);
    for (const then of run.onEnd) then(outcome);
  }

  /** The store would not take a commit: what this host has in memory of the run is worth nothing any more. */
  #refused(id: RunId, error: CorralError): void {
    const run = this.#runs.get(id);
    if (run === undefined) return;
    const outcome: Outcome = { kind: 'failed', code: error.code, message: error.message };
    if (run.outcome === undefined) this.#close(run, outcome);
    this.#runs.delete(id);
    this.#tell({ kind: 'refused', run: id, error });
    for (const then of run.onEnd) then(outcome);
  }

  // Cells

  #cellReady(cell: Cell): void {
    if (this.#runtime === undefined && cell.runtime !== undefined) {
      this.#runtime = cell.runtime;
      for (const then of this.#whenRuntime.splice(0)) then(cell.runtime);
    }
    this.#describer.next(cell);
  }

  #cellGone(cell: Cell, exit: ProcessExit): void {
    for (const then of this.#whenGone.get(cell) ?? []) then();
    this.#whenGone.delete(cell);
    const words = exit.lastWords.trim().split('\n').slice(-3).join(' ').slice(0, 300);
    this.#describer.onGone(cell, `The cell that looked at it ended. ${words}`.trim());
    if (this.#pool.hopeless) {
      const error = new CorralError('CORRAL_CELL_START', `Cells do not start on this machine: ${words || `exit code ${exit.code}`}.`);
      this.#tell({ kind: 'hopeless', error });
      for (const run of this.#runs.values()) {
        if (run.outcome === undefined && run.began === undefined)
          void this.#end(run, { kind: 'never_started', code: error.code, message: error.message }, false);
      }
    }
  }

  /** Which V8 the cells run on is theirs to say; the first that is ready tells. */
  #knownRuntime(): Promise<ReadyPayload> {
    if (this.#runtime !== undefined) return Promise.resolve(this.#runtime);
    return new Promise((resolve, reject) => {
      if (this.#pool.hopeless) reject(new CorralError('CORRAL_CELL_START', 'Cells do not start on this machine.'));
      else this.#whenRuntime.push(resolve);
    });
  }

  async #load(digest: Digest): Promise<LoadedBundle> {
    const known = this.#bundles.get(digest);
    if (known !== undefined) return known;
    const source = await this.#options.store.bundle(digest);
    if (source === undefined) throw new CorralError('CORRAL_AGENT_UNKNOWN', `The bundle ${digest} is not on this host.`);
    const versions = await this.#options.store.agents(digest);
    const loaded = { source, agents: new Map(versions.map((version) => [version.manifest.name as string, version])) };
    this.#bundles.set(digest, loaded);
    return loaded;
  }

  #tell(observation: Observation): void {
    for (const observer of this.#observers) observer(observation);
  }
}

/** What V8 and the C++ library say when memory is gone. */
const OUT_OF_MEMORY = /out of memory|bad_alloc|Allocation failed|heap limit/i;

function outcomeOf(fault: FaultPayload, crank: OnCpu | undefined, run: Run): Outcome {
  const { message, stack } = fault;
  const more = stack === undefined ? {} : { stack };
  switch (fault.fault) {
    case 'timeout':
      return {
        kind: 'exceeded',
        limit: 'cpu',
        message: `One crank used more than ${run.ledger.record.ceilings.crank_cpu_ms} ms of CPU time.`,
      };
    case 'memory':
      return {
        kind: 'exceeded',
        limit: 'memory',
        message: `The isolate reached its limit of ${run.ledger.record.ceilings.memory_mib} MiB.`,
      };
    case 'too_many':
      return { kind: 'exceeded', limit: 'effects_per_crank', message };
    case 'log_bytes':
      return { kind: 'exceeded', limit: 'log_bytes', message };
    case 'diverged':
      return { kind: 'diverged', crank: crank?.crank ?? run.ledger.seq, expected: fault.expected ?? '', seen: fault.seen ?? '' };
    case 'load':
      return { kind: 'failed', code: 'CORRAL_BUNDLE_INVALID', message, ...more };
    case 'rejected':
      return { kind: 'failed', code: 'CORRAL_UNHANDLED_REJECTION', message, ...more };
  }
}
