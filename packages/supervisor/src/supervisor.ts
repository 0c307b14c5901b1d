/**
 * The composition root of a host: store, broker, cells and tools put together behind what people and programs ask of it.
 */
import { Accounts } from '@corral/broker/accounts';
import { Broker } from '@corral/broker/broker';
import { Ledger } from '@corral/broker/ledger';
import { Grants } from '@corral/policy/grants';
import { CorralError } from '@corral/protocol/errors';
import type { RunId, TenantId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import type { AgentVersion } from '@corral/protocol/manifest';
import type { Outcome } from '@corral/protocol/outcome';
import type { ProcessExit } from '@corral/protocol/ports';
import type { Tool } from '@corral/protocol/tool';
import { Absence } from './absence.ts';
import { admit, checkBundle, digestOf, versionsOf, type Job } from './admission.ts';
import { Borrowed } from './borrowed.ts';
import { Bundles, LoadedBundle } from './bundles.ts';
import type { Cell } from './cells/cell.ts';
import { sharesOf } from './cells/loans.ts';
import { CellPool } from './cells/pool.ts';
import { Control } from './control.ts';
import { approvals, type Approval, type ApprovalFilter } from './approvals.ts';
import { Seen } from './history.ts';
import { Entrance } from './entrance.ts';
import { fork, type Forked, type ForkRequest } from './fork.ts';
import { endChild, endDescendants } from './family.ts';
import { Families } from './families.ts';
import { inputRefusal } from './first-crank.ts';
import { submittedTo, type Submitted } from './submitted.ts';
import { Intake } from './intake.ts';
import { Life } from './life.ts';
import { Runtime } from './cells/runtime.ts';
import { Loops, type LoopOptions } from './loops.ts';
import { cellViews, viewOf, type CellView, type Observation, type RunView } from './observe.ts';
import type { SupervisorOptions } from './options.ts';
import { lastWords } from './outcomes.ts';
import { BY_NAME } from './people.ts';
import { Policing } from './policing.ts';
import { Progress, type Stall } from './progress.ts';
import { Quarantines } from './quarantine.ts';
import { Stops } from './stops.ts';
import { Residence } from './residence.ts';
import { recover } from './recover.ts';
import { revive, type ReviveOptions } from './runs/revive.ts';
import { RunTable } from './runs/places.ts';
import { Run } from './runs/run.ts';
import { refuseService, Services } from './services.ts';
import { Stage } from './stage.ts';
import { tenantView, WATCHED, type TenantOptions, type TenantView } from './tenants.ts';
import { keepAnswers } from './taken-up.ts';
import type { TrialOptions, TrialResult } from './trial.ts';
import { Watch } from './watch.ts';

export type { Submitted, SupervisorOptions };

export class Supervisor {
  readonly control: Control;
  /** Pauses and resumptions that reach all that descends from a run. */
  readonly families: Families;
  /** The policies in force, and what runs beside them. */
  readonly policing: Policing;
  readonly loops: Loops;
  /** Quarantines, and grants that are taken back. */
  readonly stops: Stops;
  readonly #options: SupervisorOptions;
  readonly #tools = new Map<string, Map<string, Tool>>();
  #tenants: SupervisorOptions['tenants'] = {};
  readonly #bundles: Bundles;
  readonly #runs = new RunTable();
  readonly #grants = new Grants();
  readonly #observers = new Set<(observation: Observation) => void>();
  readonly #seen: Seen;
  readonly #quarantines: Quarantines;
  readonly #intake: Intake;
  readonly services: Services;
  readonly #absence = new Absence();
  readonly #accounts = new Accounts((tenant) => this.#tenants[tenant]?.spend);
  readonly #broker: Broker;
  readonly #stage: Stage;
  readonly #pool: CellPool;
  readonly #watch: Watch;
  readonly #borrowed: Borrowed;
  readonly #progress: Progress;
  readonly #life: Life;
  readonly #residence: Residence;
  readonly #runtime = new Runtime();
  readonly #entrance = new Entrance();
  readonly #reading: Pick<ReviveOptions, 'tracked' | 'watch'> = {
    tracked: (tenant) => this.policing.policies(tenant) !== undefined,
    watch: (record) => this.loops.watch(record),
  };
  readonly #whenGone = new Map<Cell, (() => void)[]>();
  #stopping = false;

  /** A host that has not touched a run yet: `recover` makes it take them up, once whatever else it needs is there. */
  constructor(options: SupervisorOptions) {
    const { store, clock, random, launcher, cores, image, people = BY_NAME, wakeUps } = options;
    this.#options = options;
    this.#bundles = new Bundles(store);
    this.#seen = new Seen(store);
    this.policing = new Policing({ clock, people, seen: this.#seen, tell: (observation) => this.#tell(observation) });
    this.#quarantines = new Quarantines(store);
    const breakers = () => this.loops.breakers;
    this.#intake = new Intake({
      store,
      clock,
      quarantines: this.#quarantines,
      accounts: this.#accounts,
      breakers,
      stopping: () => this.#stopping,
    });

    this.services = new Services({ store, clock, random, quarantines: this.#quarantines }, this);
    const [grants, runs] = [this.#grants, this.#runs];
    const quarantined = (tenant: string, name: string) => this.#quarantines.tool(tenant, name) !== undefined;
    const tool = (tenant: string, name: string) => (quarantined(tenant, name) ? undefined : this.tool(tenant, name));
    const powers = {
      store,
      clock,
      random,
      grants,
      tool,
      quarantined,
      approval_ms: options.approval_ms,
      policies: (tenant: TenantId) => this.policing.policies(tenant),
    };
    this.#broker = new Broker(
      {
        ...powers,
        reach: (...of) => this.services.reach(...of),
        digest: digestOf,
        standing: () => this.loops,
        identity: people.identity,
        accounts: this.#accounts,
        limits: (tenant, name) => this.#tenants[tenant]?.limits?.(name),
      },
      () => this.#life.busEvents,
    );
    const [broker, tell] = [this.#broker, (observation: Observation) => this.#tell(observation)];
    const hold = (id: RunId) => this.#residence.hold(id);
    const shared = { store, clock, broker, grants, runs, tell, hold, wakeUps };
    this.stops = new Stops({ ...shared, standing: this.#quarantines, control: () => this.control, residence: () => this.#residence });
    const family = { store, broker, residence: () => this.#residence, control: () => this.control };
    this.families = new Families(family);
    this.#life = new Life({
      ...shared,
      image,
      tool,
      bundles: this.#bundles,
      stage: () => this.#stage,
      control: () => this.control,
      residence: () => this.#residence,
      loops: () => this.loops,
      quarantined: (run) => this.#quarantines.against(run.ledger.record, run.ledger.version)?.reason,
      endChild: (child) => endChild(family, child, true),
      resumeIfFree: (run) => this.stops.resumeIfFree(run),
      stop: (...of) => this.stops.follow(...of),
      observed: () => this.#observers.size > 0,
    });
    const life = this.#life;
    this.#stage = new Stage({
      clock,
      cell_idle_ms: options.cell_idle_ms ?? MACHINE.cell_idle_ms.default,
      cell_memory_mib: options.cell_memory_mib ?? MACHINE.cell_memory_mib.default,
      replayPage: async (run, after) => {
        await broker.settled(run.id);
        return store.replayPage(run.id, after);
      },
      events: {
        onBegin: (run) => life.begin(run),
        onCranked: (run, crank, effects, cpu_us) => {
          this.#progress.moved(run);
          life.cranked(run, crank, effects, cpu_us);
        },
        onFault: (run, cell, crank, fault, task, used_ms) => {
          if (crank !== undefined) this.#progress.moved(run);
          life.faulted(run, cell, crank, fault, task, used_ms);
        },
        onLost: (run, crank, exit, error, used_ms) => life.lost(run, crank, exit, error, used_ms),
        onReplayed: (run, cell) => life.replayed(run, cell),
        onCellGone: (cell, exit) => this.#cellGone(cell, exit),
        onCellReady: (cell) => {
          this.#progress.started();
          this.#runtime.learn(cell);
        },
        onCpu: () => this.#watch.poke(),
      },
    });
    const stage = this.#stage;
    const maxCells = options.maxCells ?? Math.max(4, cores * 4);
    this.#borrowed = new Borrowed({ borrow: () => this.#pool.borrow(), ...sharesOf(maxCells), onCpu: () => this.#watch.poke() });
    this.#pool = new CellPool({
      launcher,
      clock,
      random,
      spares: options.spares ?? 1,
      cellsPerTenant: (tenant) => this.#tenants[tenant]?.cells ?? options.cellsPerTenant ?? MACHINE.cells_per_tenant.default,
      maxCells,
      events: this.#borrowed.hear(stage.cellEvents),
    });
    stage.pool = this.#pool;
    this.#watch = new Watch({
      clock,
      cells: () => this.#pool.cells,
      slots: Math.max(1, cores - 1),
      cell_memory_mib: options.cell_memory_mib ?? MACHINE.cell_memory_mib.default,
      memory_mib: (cell, assignment) =>
        this.#borrowed.memory_mib(cell) ??
        stage.seated(cell, assignment)?.ledger.record.ceilings.memory_mib ??
        MACHINE.cell_rss_slack_mib.default,
      onRogue: (cell) => stage.condemn(cell, undefined),
      onExceeded: (cell, assignment, limit, message) => {
        if (this.#borrowed.exceeded(cell, message)) return;
        if (cell.task?.kind === 'crank') this.#progress.moved();
        life.exceeded(cell, stage.seated(cell, assignment), limit, message);
      },
      onStuck: (cell) => stage.rehome(cell),
      onFull: (cell) => stage.evict(cell),
      onCalm: () => {
        stage.keepHouse();
        this.loops.measure();
        this.#progress.look();
      },
    });
    this.#progress = new Progress({
      clock,
      no_progress_ms: options.no_progress_ms ?? MACHINE.no_progress_ms.default,
      runs: () => runs.values(),
      cells: () => this.#pool.cells,
      waitingSince: () => this.#residence.waitingSince,
      committing: () => broker.isCommitting(),
      failing: () => this.#pool.failing,
      tell: (observation) => this.#tell(observation),
    });
    this.#residence = new Residence({
      ...shared,
      stage,
      limits: {
        park_after_ms: MACHINE.park_after_ms.default,
        runs_in_memory: MACHINE.runs_in_memory.default,
        resident_mib: MACHINE.resident_mib.default,
        sweep_ms: MACHINE.sweep_ms.default,
        ...options.residence,
      },
      residents: (tenant) => this.#tenants[tenant]?.residents ?? MACHINE.residents.default,
      revive: (stored) =>
        revive(
          {
            store,
            clock,
            grants,
            load: (bundle) => this.#bundles.load(bundle),
            ...this.#reading,
            absent: (from, until) => this.#absence.since(from, until),
          },
          stored,
        ),
      onWoken: (run) => life.woken(run),
      onCaughtUp: (run) => void life.endIfStalled(run),
      onParked: (run) => life.parked(run),
      onDamaged: (run, error) => this.#tell({ kind: 'damaged', run, error }),
      onVacant: (tenant) => this.#vacate(tenant),
    });
    this.loops = new Loops({
      ...shared,
      control: () => this.control,
      settings: (tenant) => this.#watched(tenant),
      profiles: options.profiles,
      end: (run, outcome) => life.endSoon(run, outcome, true),
      wake: (run) => stage.wake(run),
    });
    this.control = new Control({
      ...shared,
      stage,
      endDescendants: (id, kill) => endDescendants(family, id, kill),
      pause_grace_ms: options.pause_grace_ms ?? MACHINE.pause_grace_ms.default,
      tool,
      end: (run, outcome, revoke) => life.end(run, outcome, revoke),
      quarantined: (run) => this.#quarantines.against(run.ledger.record, run.ledger.version)?.reason,
      askAgain: (run) => life.askAgain(run),
      goesOn: (run) => void life.endIfStalled(run),
      policing: this.policing,
      journal: (id) => store.journal(id),
      stopping: () => this.#stopping,
      bury: async (id, outcome) => {
        for (const told of await store.bury(id, outcome, clock.now())) this.#residence.hint(told);
      },
      gone: (cell) =>
        cell.dead ? Promise.resolve() : new Promise((resolve) => this.#whenGone.set(cell, [...(this.#whenGone.get(cell) ?? []), resolve])),
    });
    this.configure(options.tenants);
  }

  /** Starts a host on an open store, and takes up the runs that are in it. */
  static async start(options: SupervisorOptions): Promise<Supervisor> {
    const supervisor = new Supervisor(options);
    await supervisor.recover();
    return supervisor;
  }

  /** Resolves with the outcome of a run once it is durable, and at once if it is already; never rejects. */
  ended(id: RunId): Promise<Outcome> {
    return this.#life.ended(id);
  }

  /** Says anew what each tenant may be granted, and what decides about it. Calls that are under way keep the tool they went to. */
  configure(tenants: SupervisorOptions['tenants']): void {
    this.#tenants = tenants;
    this.policing.configure(tenants);
    this.#tools.clear();
    for (const [tenant, { tools }] of Object.entries(tenants)) this.#tools.set(tenant, new Map(tools.map((tool) => [tool.name, tool])));
    this.#broker.limitsChanged();
  }

  /** What instances of a tenant's services, and forks, may have at most. */
  most(tenant: string): TenantOptions['most'] {
    return this.#tenants[tenant]?.most;
  }

  /** A tool of a tenant, by name, or what stands for a service. */
  tool(tenant: string, name: string): Tool | undefined {
    return this.services.tool(tenant, name) ?? this.#tools.get(tenant)?.get(name);
  }

  /**
   * The manifests of each of some bundles of one author, as their own code gives them; it runs in a cell that is thrown away.
   * @param tenant for whom the cell is borrowed
   */
  describe(sources: readonly string[], tenant?: TenantId): Promise<readonly unknown[]> {
    return this.#borrowed.describe(sources, tenant);
  }

  /** Replays a journal in a cell that is thrown away afterwards; nothing of it leaves. See Trials. */
  trial(options: TrialOptions): Promise<TrialResult> {
    return this.#borrowed.trial(options);
  }

  /** Why an agent does not take a job's input, as its own code says in a cell that is thrown away. See `inputRefusal`. */
  inputRefusal(job: Job): Promise<string | undefined> {
    return inputRefusal(job, { ...this.#options, intake: this.#intake, bundles: this.#bundles, header: this.#header, offers: this });
  }

  /** Starts a new run from what another one did; see fork.ts. */
  async fork(request: ForkRequest): Promise<Submitted & Pick<Forked, 'unknown'>> {
    if (this.#stopping) throw new CorralError('CORRAL_STOPPING', 'This host is shutting down and takes no new work.');
    const { store, clock, random } = this.#options;
    await this.#broker.settled(request.run);
    const powers = { store, clock, random, intake: this.#intake, offers: this, whole: true };
    const { record, unknown } = await fork(powers, request);
    const submitted = submittedTo(this.#life, record.id);
    await this.#residence.hold(record.id);
    return Object.assign(submitted, { unknown });
  }

  /**
   * Takes a bundle in for a tenant. Deploying the same one again changes nothing.
   * @param manifests of the agents in it, the main one first; checked here
   * @param source_map kept beside it, for people who debug it
   * @throws CORRAL_BUNDLE_TOO_LARGE, CORRAL_MANIFEST_INVALID, CORRAL_SCHEMA_INVALID, CORRAL_CAP_UNKNOWN, CORRAL_SERVICE_TAKEN
   */
  async deploy(tenant: TenantId, source: string, manifests: unknown, source_map?: string): Promise<readonly AgentVersion[]> {
    const bundle = checkBundle(source, manifests, (name) => this.tool(tenant, name));
    const { digest, versions } = versionsOf(bundle);
    this.services.mayServe(tenant, versions);
    await this.#options.store.deploy({ digest, source, source_map }, versions);
    this.#bundles.add(new LoadedBundle(digest, source, versions));
    await this.services.serve(tenant, versions);
    return versions;
  }

  /** What a run that begins now runs on. */
  readonly #header = () => this.#runtime.header(this.#options.image, () => this.#pool.hopeless);

  /** Admits a job: when this resolves it is durable, and it will be run. */
  readonly submit = (job: Job): Promise<Submitted> => this.#entrance.pass(job.tenant, () => this.#admit(job));

  async #admit(job: Job): Promise<Submitted> {
    refuseService(job.version);
    const { version, manifest } = job.version;
    this.#intake.mustTake({ ...job, agent: manifest.name, version });
    const bundle = await this.#bundles.load(job.version.bundle);
    const { store, random, clock } = this.#options;
    const runtime = await this.#header();
    const { record, grants } = admit(job, {
      random,
      now: clock.now(),
      runtime,
      profile: this.loops.profile(job.tenant, manifest.name),
      tool: (name) => this.tool(job.tenant, name),
    });
    this.#intake.mustNotRest({ tenant: job.tenant, version });
    // Where memory is full, it waits in the store for its turn.
    const place = this.#residence.place(job.tenant);
    await store.admit(record, grants, place !== undefined).finally(() => place?.());
    this.#intake.took(record);
    // Somebody may have found it in the store, and asked for it, before we were told that it is there.
    const known = this.#residence.knows(record.id);
    if (known || place === undefined) {
      if (known) this.#residence.hint(record.id);
      else this.#residence.leave(job.tenant);
      return submittedTo(this.#life, record.id);
    }
    for (const grant of grants) this.#grants.add(grant);
    this.#life.adopt(new Run(new Ledger(record, this.policing.policies(job.tenant) !== undefined, this.loops.watch(record)), bundle, 1));
    return submittedTo(this.#life, record.id);
  }

  /** Everything this host holds in memory, parents before their children. */
  runs(): RunView[] {
    return [...this.#runs.values()].map((run) => viewOf(run, this.#options.clock.monotonic()));
  }

  /** One of them; undefined for a run that has ended or is parked. */
  view(id: RunId): RunView | undefined {
    const run = this.#runs.get(id);
    return run && viewOf(run, this.#options.clock.monotonic());
  }

  /** Calls that wait for people to decide, with all that is known about each. */
  approvals(filter: ApprovalFilter = {}): Promise<readonly Approval[]> {
    return approvals({ store: this.#options.store, runs: this.#runs, ...this.#reading }, filter);
  }

  /** The processes of this host. */
  cells(): CellView[] {
    return cellViews(this.#pool.cells, this.#stage);
  }

  /** What keeps this host from doing work; nothing while it does some, or has none. */
  get stalls(): readonly Stall[] {
    return this.#progress.stalls;
  }

  /** What a tenant has of this host now. */
  tenant(tenant: TenantId): TenantView {
    return tenantView({ runs: this.#runs, stage: this.#stage, cells: this.#pool.count() }, tenant);
  }

  /** The process a run sits in, if it sits in one. */
  cellOf(id: RunId): { readonly id: string; readonly pid: number | undefined } | undefined {
    const cell = this.#runs.get(id)?.seat?.cell;
    return cell && { id: cell.id, pid: cell.pid };
  }

  /** Gives every run that waits up to the store. They come back, by replay, when something arrives for them. */
  park(): Promise<void> {
    return this.#residence.parkAll();
  }

  observe(observer: (observation: Observation) => void): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  /**
   * Comes to rest before it is closed: no new work and no new cranks; calls under way have so long to answer. What they answered is
   * durable when this resolves.
   */
  async drain(within_ms: number): Promise<void> {
    this.#stopping = true;
    this.#progress.close();
    this.#stage.drain();
    keepAnswers(this.#broker, this.#runs.values());
    await this.#broker.drain(within_ms);
  }

  /** Stops: no new work, cells killed, what was handed to the store is durable. Runs go on when the folder is opened again. */
  async close(): Promise<void> {
    this.#stopping = true;
    this.#progress.close();
    this.#borrowed.close();
    this.#watch.close();
    this.stops.close();
    const hints = this.#residence.close();
    this.#stage.close();
    this.#life.close();
    this.#pool.close();
    await Promise.all([hints, this.#broker.close()]);
    const { store, clock } = this.#options;
    await store.alive(clock.now()).catch(() => undefined);
    await store.close();
  }

  /** Takes up what was in memory when the last host on this store ended, however it ended. Parked runs stay where they are. */
  async recover(): Promise<void> {
    const { store, clock } = this.#options;
    await store.alive(clock.now());
    this.#absence.learn(await store.eras());
    await this.#accounts.load(store, clock.now());
    await this.#seen.load();
    await this.#quarantines.load();
    await this.services.load();
    await recover(store, this.#residence);
    for (const orphan of await store.orphans()) void this.#life.killChild(orphan);
    this.#residence.open();
    void this.stops.takeUp();
    await this.#residence.sweep();
  }

  /** What is done about a tenant's loops; undefined where nothing is. */
  #watched(tenant: TenantId): LoopOptions | undefined {
    const loops = this.#tenants[tenant]?.loops;
    return loops === false ? undefined : (loops ?? WATCHED);
  }

  /** A tenant has nothing in memory: its cells are not kept for it. */
  #vacate(tenant: TenantId): void {
    for (const cell of this.#pool.cells) if (cell.tenant === tenant) this.#stage.retire(cell);
  }

  // Cells

  #cellGone(cell: Cell, exit: ProcessExit): void {
    for (const then of this.#whenGone.get(cell) ?? []) then();
    this.#whenGone.delete(cell);
    if (this.#pool.hopeless) {
      const error = new CorralError(
        'CORRAL_CELL_START',
        `Cells do not start on this machine: ${lastWords(exit) || `exit code ${exit.code}`}.`,
      );
      // Runs in memory stay: each was admitted after a cell had started, so what keeps cells from starting now may pass.
      this.#runtime.fail(error);
      this.#tell({ kind: 'hopeless', error });
    }
  }

  #tell(observation: Observation): void {
    for (const observer of this.#observers) observer(observation);
  }
}
