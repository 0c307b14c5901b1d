/**
 * Builds the parts of a host. Each part gets the parts that were built before it. It informs later parts by events on `Transitions`, which
 * is made first. So dependencies follow the order below, and no part refers to a later one.
 */
import { Accounts } from '@corral/broker/accounts/accounts';
import { Broker } from '@corral/broker/broker';
import { Memory } from '@corral/broker/memory';
import { Grants } from '@corral/policy/capability/grants';
import { MACHINE } from '@corral/protocol/limits';
import type { TenantId } from '@corral/protocol/ids';
import { Downtimes } from './runs/downtime.ts';
import { Membership } from './runs/membership.ts';
import { Neighbours } from './runs/neighbours.ts';
import { digestOf } from './admission/admission.ts';
import { Borrowed } from './cells/borrowed.ts';
import { Bundles } from './admission/bundles.ts';
import { sharesOf } from './cells/loans.ts';
import { householdOf } from './cells/household.ts';
import { CellPool } from './cells/pool.ts';
import { Runtime } from './cells/runtime.ts';
import { Seats } from './cells/seats.ts';
import { Consequences } from './governance/consequences.ts';
import { Control } from './control/control.ts';
import { Ends } from './runs/ends.ts';
import { Families } from './control/families.ts';
import { UsageHistory } from './governance/usage-history.ts';
import { Intake } from './admission/intake.ts';
import { RunLifecycle } from './runs/lifecycle.ts';
import { Loops } from './detection/loops.ts';
import { Mishaps } from './runs/mishaps.ts';
import { Offers } from './admission/offers.ts';
import type { SupervisorOptions } from './options.ts';
import { BY_NAME } from './governance/people.ts';
import { TenantPolicies } from './governance/tenant-policies.ts';
import { Progress } from './detection/progress.ts';
import { Quarantines } from './control/quarantine.ts';
import { Residency } from './runs/residency.ts';
import { Revival } from './runs/revival.ts';
import { RunTable } from './runs/places.ts';
import { revive } from './runs/revive.ts';
import type { Run } from './runs/run.ts';
import { Services } from './admission/services.ts';
import { Settlements } from './runs/settlements.ts';
import { emitters } from './events/signal.ts';
import { Scheduler } from './cells/scheduler.ts';
import { Stops } from './control/stops.ts';
import { Tenants } from './tenants.ts';
import { Transitions } from './events/transitions.ts';
import { CpuWatchdog } from './cells/cpu-watchdog.ts';
import { Watching } from './detection/watching.ts';

/** The parts that decide what is allowed to whom. They do not depend on runs in memory. */
function buildAuthority(options: SupervisorOptions, transitions: Transitions, stopping: () => boolean) {
  const { store, clock, random, people = BY_NAME } = options;
  const { tell } = transitions.observers;
  const tenants = new Tenants();
  const bundles = new Bundles(store);
  const seen = new UsageHistory(store);
  const tenantPolicies = new TenantPolicies({ clock, people, seen, tell });
  const quarantines = new Quarantines(store);
  const accounts = new Accounts((tenant) => tenants.of(tenant)?.spend, options.node !== undefined);
  const watching = new Watching({ clock, settings: (tenant) => tenants.loops(tenant), profiles: options.profiles, tell });
  const intake = new Intake({ store, clock, quarantines, accounts, breakers: watching.breakers, stopping });
  const services = new Services({ store, clock, random, quarantines, tenants });
  const offers = new Offers({ store, tenants, services, bundles });
  const quarantined = (tenant: string, name: string) => quarantines.tool(tenant, name) !== undefined;
  return {
    tenants,
    bundles,
    seen,
    tenantPolicies,
    quarantines,
    accounts,
    watching,
    intake,
    services,
    offers,
    quarantined,
    /** A tool that a tenant may use now. */
    tool: (tenant: string, name: string) => (quarantined(tenant, name) ? undefined : offers.tool(tenant, name)),
    /** Reason of the quarantine that stops a run; undefined if there is none. */
    against: (run: Run) => quarantines.against(run.ledger.record, run.ledger.version)?.reason,
  };
}

type Authority = ReturnType<typeof buildAuthority>;

/** The bus: it decides the effects of runs and carries them out. */
function buildBus(options: SupervisorOptions, authority: Authority, transitions: Transitions) {
  const { store, clock, random, approval_ms, slice, traceparent, people = BY_NAME } = options;
  const { accounts, tenantPolicies, quarantines, quarantined, services, tenants, tool, watching } = authority;
  const [grants, runs] = [new Grants(), new RunTable()];
  const { tenant_heap_percent, runs_heap_percent, heap_bytes = Number.POSITIVE_INFINITY } = options;
  const memory = new Memory({
    clock,
    heap_bytes,
    tenant_heap_percent,
    runs_heap_percent,
    runs: () => runs.values(),
    besides: () => broker.waiting(),
  });
  const membership = new Membership({ store, clock, node: options.node });
  const consequences = new Consequences({ clock, quarantines, runs, transitions });
  const broker = new Broker(
    {
      store,
      clock,
      random,
      grants,
      tool,
      quarantined,
      approval_ms,
      slice,
      traceparent,
      accounts,
      resultBytes: () => memory.forResults,
      lacksMemory: (id, coming) => {
        const run = runs.get(id);
        return run && memory.lacks(run, coming);
      },
      policies: (tenant) => tenantPolicies.policies(tenant),
      reach: (...of) => services.reach(...of),
      digest: digestOf,
      standing: () => watching,
      identity: people.identity,
      isSure: () => membership.isSure,
      limits: (tenant, name) => tenants.of(tenant)?.limits?.(name),
    },
    { ...emitters(transitions.bus), stop: (...of) => consequences.follow(...of) },
  );
  return { grants, runs, memory, broker, membership };
}

/** The processes, and the assignment of runs to them. */
function buildCells(options: SupervisorOptions, { tenants }: Authority, broker: Broker, transitions: Transitions) {
  const { store, clock, random, launcher, cores } = options;
  const maxCells = options.maxCells ?? Math.max(4, cores * 4);
  const cell_memory_mib = options.cell_memory_mib ?? MACHINE.cell_memory_mib.default;
  const pool = new CellPool({
    launcher,
    clock,
    random,
    maxCells,
    spares: options.spares ?? 1,
    cellsPerTenant: (tenant) => tenants.of(tenant)?.cells ?? options.cellsPerTenant ?? MACHINE.cells_per_tenant.default,
    events: emitters(transitions.cells),
  });
  const seats = new Seats(cell_memory_mib);
  const isolation = (run: Run) => tenants.of(run.tenant)?.isolation?.(run.ledger.record.agent) ?? 'tenant';
  const scheduler = new Scheduler({
    seats,
    clock,
    pool,
    transitions,
    householdOf: (run) => householdOf(run.ledger.record, isolation(run), run.isApart),
    cell_idle_ms: options.cell_idle_ms ?? MACHINE.cell_idle_ms.default,
    spare_isolates: options.spareIsolates ?? MACHINE.spare_isolates.default,
    replayPage: async (run, after) => {
      await broker.settled(run.id);
      return store.replayPage(run.id, after);
    },
  });
  const borrowed = new Borrowed({
    borrow: () => pool.borrow(),
    ...sharesOf(maxCells),
    cells: transitions.cells,
    onCpu: transitions.scheduler.onCpu.emit,
  });
  return { pool, seats, scheduler, borrowed, cell_memory_mib };
}

type Cells = ReturnType<typeof buildCells>;
type Bus = ReturnType<typeof buildBus>;

/** The parts that decide which runs are in memory. */
function buildResidency(options: SupervisorOptions, authority: Authority, bus: Bus, { scheduler }: Cells, transitions: Transitions) {
  const { store, clock } = options;
  const { accounts, bundles, tenantPolicies, tenants, watching, services } = authority;
  const downtimes = new Downtimes();
  /** Options for reading a run from the store, also used for the list of approvals. */
  const reading = {
    tracked: (tenant: TenantId) => tenantPolicies.isTracked(tenant),
    watch: (record: Parameters<Watching['watch']>[0]) => watching.watch(record),
  };
  const reviving = {
    store,
    clock,
    grants: bus.grants,
    tool: authority.tool,
    ...reading,
    load: (bundle: Parameters<Bundles['load']>[0]) => bundles.load(bundle),
    isFleet: options.node !== undefined,
    absent: (...of: Parameters<Downtimes['between']>) => downtimes.between(...of),
  };
  const revival = new Revival({
    store,
    clock,
    scheduler,
    transitions,
    ...bus,
    revive: (stored) => revive(reviving, stored),
  });
  const neighbours =
    options.node === undefined ? undefined : new Neighbours({ ...bus, store, clock, accounts, services, transitions, revival });
  const residency = new Residency({
    neighbours,
    wakeUps: options.wakeUps,
    store,
    clock,
    scheduler,
    transitions,
    ...bus,
    limits: {
      park_after_ms: MACHINE.park_after_ms.default,
      runs_in_memory: MACHINE.runs_in_memory.default,
      resident_mib: MACHINE.resident_mib.default,
      sweep_ms: MACHINE.sweep_ms.default,
      ...options.residency,
    },
    residents: (tenant) => tenants.of(tenant)?.residents ?? MACHINE.residents.default,
    tenants: () => tenants.names,
    isFull: (tenant) => bus.memory.isFull(tenant),
    revival,
  });
  return { reading, revival, residency, neighbours, downtimes };
}

/** The detection of stalls. Its listeners are registered early, so that a crank counts as progress before its effects are processed. */
function buildProgress(options: SupervisorOptions, { runs, broker }: Bus, { pool }: Cells, residency: Residency, transitions: Transitions) {
  const { scheduler, observers } = transitions;
  const progress = new Progress({
    clock: options.clock,
    no_progress_ms: options.no_progress_ms ?? MACHINE.no_progress_ms.default,
    runs: () => runs.values(),
    cells: () => pool.cells,
    waitingSince: () => residency.waitingSince,
    committing: () => broker.isCommitting(),
    failing: () => pool.failing,
    tell: observers.tell,
  });
  const runtime = new Runtime();
  scheduler.onCranked.listen((run) => progress.moved(run));
  scheduler.onFault.listen((run, _, crank) => {
    if (crank !== undefined) progress.moved(run);
  });
  scheduler.onCellReady.listen((cell) => {
    progress.started();
    runtime.learn(cell);
  });
  return { progress, runtime };
}

/** The watchdog, which enforces the limits of cells. It uses all other parts, and none of them uses it. */
function buildWatch(options: SupervisorOptions, cells: Cells, mishaps: Mishaps, { progress, loops }: { progress: Progress; loops: Loops }) {
  const { clock, cores } = options;
  const { pool, seats, scheduler, borrowed, cell_memory_mib } = cells;
  return new CpuWatchdog({
    clock,
    cells: () => pool.cells,
    slots: Math.max(1, cores - 1),
    cell_memory_mib,
    memory_mib: (cell, assignment) =>
      borrowed.memory_mib(cell) ??
      seats.run(cell, assignment)?.ledger.record.ceilings.memory_mib ??
      scheduler.spares.memory_mib(cell, assignment) ??
      MACHINE.cell_rss_slack_mib.default,
    onRogue: (cell) => scheduler.killCell(cell, undefined),
    onExceeded: (cell, assignment, limit, message) => {
      if (borrowed.exceeded(cell, message)) return;
      if (cell.task?.kind === 'crank') progress.moved();
      mishaps.exceeded(cell, seats.run(cell, assignment), limit, message);
    },
    onStuck: (cell) => scheduler.moveRunsFrom(cell),
    onFull: (cell) => scheduler.evict(cell),
    onCalm: () => {
      scheduler.maintain();
      loops.measure();
      progress.look();
    },
  });
}

/** @param stopping whether the host is shutting down and takes no new work */
export function buildHost(options: SupervisorOptions, stopping: () => boolean) {
  const { store, clock, image } = options;
  const transitions = new Transitions();
  const authority = buildAuthority(options, transitions, stopping);
  const { accounts, bundles, tenantPolicies, quarantines, tool, against, watching } = authority;
  const bus = buildBus(options, authority, transitions);
  const cells = buildCells(options, authority, bus.broker, transitions);
  const { scheduler } = cells;
  const { residency, ...memory } = buildResidency(options, authority, bus, cells, transitions);
  const moving = buildProgress(options, bus, cells, residency, transitions);
  const shared = { ...bus, store, clock, scheduler, residency, transitions };
  const settlements = new Settlements(shared);
  const loops = new Loops({ ...shared, watching });
  const ends = new Ends(shared);
  const lifecycle = new RunLifecycle({ ...shared, accounts, tool, bundles, watching, settlements, ends, loops, quarantined: against });
  const mishaps = new Mishaps({ ...shared, pool: cells.pool, image, lifecycle });
  const control = new Control({
    ...shared,
    settlements,
    lifecycle,
    tool,
    tenantPolicies,
    stopping,
    pause_grace_ms: options.pause_grace_ms ?? MACHINE.pause_grace_ms.default,
    quarantined: against,
    bundles,
    trial: (trial) => cells.borrowed.trial(trial),
  });
  const families = new Families({ ...shared, control });
  const { neighbours, downtimes } = memory;
  const learn = neighbours && (() => neighbours.follow());
  const stops = new Stops({ ...shared, quarantines, settlements, control, learn });
  bus.membership.onJoin = async () => {
    // A time without nodes is noted when the next node joins, perhaps while this one counted as dead.
    downtimes.learn(await store.downtimes());
    await neighbours?.follow();
  };
  if (neighbours !== undefined) {
    neighbours.onChanges = (changes) => stops.follow(changes);
    bus.membership.onBeat = () => neighbours.learn();
  }
  const watch = buildWatch(options, cells, mishaps, { progress: moving.progress, loops });
  transitions.scheduler.onCpu.listen(() => watch.poke());
  return {
    ...authority,
    ...bus,
    ...cells,
    ...memory,
    ...moving,
    residency,
    loops,
    lifecycle,
    ends,
    control,
    families,
    stops,
    watch,
    transitions,
  };
}

/** The parts of a host. */
export type Host = ReturnType<typeof buildHost>;
