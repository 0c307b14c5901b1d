/** A host: the interface by which people and programs use store, broker, cells and tools. */
import type { Result } from '@corral/protocol/wire/delivery';
import { arrivedAt } from './runs/arrived.ts';
import type { Accounts } from '@corral/broker/accounts/accounts';
import type { Memory } from '@corral/broker/memory';
import { Ledger } from '@corral/broker/ledger/ledger';
import { CorralError } from '@corral/protocol/errors';
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { AgentVersion } from '@corral/protocol/model/manifest';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { ProcessExit } from '@corral/protocol/ports/machine';
import { admit, type Job } from './admission/admission.ts';
import { approvals, type Approval, type ApprovalFilter } from './governance/approvals.ts';
import type { Control } from './control/control.ts';
import { Entrance } from './admission/entrance.ts';
import type { Families } from './control/families.ts';
import { inputRefusal } from './admission/first-crank.ts';
import { fork, type Forked, type ForkRequest } from './offline/fork.ts';
import type { Loops } from './detection/loops.ts';
import type { Observation, RunView, Stall } from './events/observation.ts';
import type { OpenBreaker } from '@corral/broker/dispatch/breakers';
import {
  cellDetails,
  cellViews,
  holdersOf,
  loadOf,
  underWay,
  viewOf,
  type CellDetail,
  type CellView,
  type Load,
} from './events/observe.ts';
import type { Offers } from './admission/offers.ts';
import type { SupervisorOptions } from './options.ts';
import { lastWords } from './runs/outcomes.ts';
import type { TenantPolicies } from './governance/tenant-policies.ts';
import { recover } from './recover.ts';
import { Run } from './runs/run.ts';
import { refuseService, type Services } from './admission/services.ts';
import type { Stops } from './control/stops.ts';
import { submittedTo, type Submitted } from './admission/submitted.ts';
import { keepAnswers } from './runs/taken-up.ts';
import { tenantView, type TenantView } from './tenants.ts';
import type { TrialOptions, TrialResult } from './offline/trial.ts';
import { buildHost, type Host } from './wiring.ts';

export type { Submitted, SupervisorOptions };

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #host: Host;
  readonly #entrance: Entrance;
  #stopping = false;

  /** Makes a host that has not taken up any run yet. The caller calls `recover` for that, once everything else is ready. */
  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#entrance = new Entrance(options.clock);
    this.#host = buildHost(options, () => this.#stopping);
    this.#host.transitions.scheduler.onCellGone.listen((_, exit) => this.#cellGone(exit));
    this.configure(options.tenants);
  }

  get control(): Control {
    return this.#host.control;
  }

  /** Pauses and resumes runs together with their descendants. */
  get families(): Families {
    return this.#host.families;
  }

  /** The policies in force, and candidates in shadow. */
  get tenantPolicies(): TenantPolicies {
    return this.#host.tenantPolicies;
  }

  get loops(): Loops {
    return this.#host.loops;
  }

  /** Quarantines and revocations. */
  get stops(): Stops {
    return this.#host.stops;
  }

  get services(): Services {
    return this.#host.services;
  }

  /** The memory that runs take in the heap of this process. */
  get memory(): Memory {
    return this.#host.memory;
  }

  /** Purses above the runs. */
  get accounts(): Accounts {
    return this.#host.accounts;
  }

  /** Starts a host on an open store, and takes up the runs that are in it. */
  static async start(options: SupervisorOptions): Promise<Supervisor> {
    const supervisor = new Supervisor(options);
    await supervisor.recover();
    return supervisor;
  }

  /** Resolves with the outcome of a run once it is durable, and at once if it is already; never rejects. */
  ended(id: RunId): Promise<Outcome> {
    return this.#host.ends.ended(id);
  }

  /** Replaces the settings of all tenants. Calls that are under way keep the tool that they were sent to. */
  configure(tenants: SupervisorOptions['tenants']): void {
    this.#host.tenants.configure(tenants);
    this.tenantPolicies.configure(tenants);
    this.#host.broker.limitsChanged();
  }

  /** @see Offers.deploy */
  deploy(...of: Parameters<Offers['deploy']>): Promise<readonly AgentVersion[]> {
    return this.#host.offers.deploy(...of);
  }

  /** @see Offers.sender */
  sender(...of: Parameters<Offers['sender']>): Promise<AgentVersion> {
    return this.#host.offers.sender(...of);
  }

  /**
   * Manifests of some bundles of one author, as returned by the bundles' own code, which runs in a borrowed cell. See Describer.
   * @param tenant to which the borrowed cell is counted
   */
  describe(sources: readonly string[], tenant?: TenantId): Promise<readonly unknown[]> {
    return this.#host.borrowed.describe(sources, tenant);
  }

  /** Replays a journal in a borrowed cell, without carrying out its effects. See Trials. */
  trial(options: TrialOptions): Promise<TrialResult> {
    return this.#host.borrowed.trial(options);
  }

  /** Why an agent refuses a job's input, by its own code, which runs in a borrowed cell. See `inputRefusal`. */
  inputRefusal(job: Job): Promise<string | undefined> {
    const { intake, bundles, offers, borrowed } = this.#host;
    return inputRefusal(job, {
      ...this.#options,
      intake,
      bundles,
      header: this.#header,
      offers: { tool: (tenant, name) => offers.tool(tenant, name), trial: (options) => borrowed.trial(options) },
    });
  }

  /** Starts a new run that begins with a part of another run's journal; see fork.ts. */
  async fork(request: ForkRequest): Promise<Submitted & Pick<Forked, 'unknown'>> {
    if (this.#stopping) throw new CorralError('CORRAL_STOPPING', 'This host is shutting down and takes no new work.');
    const { store, clock, random } = this.#options;
    const { broker, intake, membership, offers, ends, residency } = this.#host;
    await broker.settled(request.run);
    const deps = { store, node: membership.node, clock, random, intake, offers, whole: true };
    const { record, unknown } = await fork(deps, request);
    const submitted = submittedTo(ends, record.id);
    await residency.hold(record.id);
    return Object.assign(submitted, { unknown });
  }

  /** The runtime for the header of a new run. */
  readonly #header = () => this.#host.runtime.header(this.#options.image, () => this.#host.pool.hopeless);

  /** Admits a job. When this resolves, the run is durable and will be executed. */
  readonly submit = (job: Job): Promise<Submitted> => this.#entrance.pass(job.tenant, () => this.#admit(job));

  async #admit(job: Job): Promise<Submitted> {
    const { intake, bundles, watching, offers, residency, lifecycle, ends, tenantPolicies, membership, grants: held } = this.#host;
    refuseService(job.version);
    // A host that was silent for long may not know of a quarantine that another node has put up.
    if (membership.isJoined && !membership.isSure) await membership.beat();
    const { version, manifest } = job.version;
    intake.mustTake({ ...job, agent: manifest.name, version });
    const bundle = await bundles.load(job.version.bundle);
    const { store, random, clock } = this.#options;
    const runtime = await this.#header();
    const { record, grants } = admit(job, {
      random,
      now: clock.now(),
      runtime,
      profile: watching.profile(job.tenant, manifest.name),
      tool: (name) => offers.tool(job.tenant, name),
    });
    // If memory has no place for the run, it waits in the store.
    const place = membership.isJoined ? residency.place(job.tenant) : undefined;
    await intake.writeDown(record, () => store.admit(record, grants, place && membership.node)).finally(() => place?.());
    // Another request may have found the run in the store and brought it into memory before this code continues.
    const known = residency.knows(record.id);
    if (known || place === undefined) {
      if (known) residency.hint(record.id);
      else residency.leave(job.tenant);
      return submittedTo(ends, record.id);
    }
    for (const grant of grants) held.add(grant);
    const ledger = new Ledger(record, tenantPolicies.policies(job.tenant) !== undefined, watching.watch(record));
    lifecycle.adopt(new Run(ledger, bundle, 1));
    return submittedTo(ends, record.id);
  }

  /** All runs in this host's memory, parents before their children. */
  runs(): RunView[] {
    return [...this.#host.runs.values()].map((run) => viewOf(run, this.#options.clock.monotonic()));
  }

  /** A run in memory; undefined for a run that has ended or is parked. */
  view(id: RunId): RunView | undefined {
    const run = this.#host.runs.get(id);
    return run && viewOf(run, this.#options.clock.monotonic());
  }

  /** Answers of a run's calls that have come and are in no entry of its journal yet; undefined if the run is in no memory here. */
  arrived(id: RunId): readonly Result[] | undefined {
    const run = this.#host.runs.get(id);
    return run && arrivedAt(run);
  }

  /** How many calls of these runs are under way, by tool. */
  underWay(ids: readonly RunId[]): ReadonlyMap<string, number> {
    return underWay(ids.flatMap((id) => this.#host.runs.get(id) ?? []));
  }

  /** Calls that wait for the approval of people; see approvals.ts. */
  approvals(filter: ApprovalFilter = {}): Promise<readonly Approval[]> {
    const { runs, reading, tenantPolicies } = this.#host;
    return approvals({ store: this.#options.store, runs, ownerOf: (record) => tenantPolicies.ownerOf(record), ...reading }, filter);
  }

  /** The cells of this host. */
  cells(): CellView[] {
    return cellViews(this.#host.pool.cells, this.#host.scheduler);
  }

  /** The cells of this host, with their runs and what they use. */
  cellDetails(): CellDetail[] {
    return cellDetails(this.#host.pool.cells, this.#host.seats);
  }

  /** Runs of a tenant that have a place in memory: those on a CPU first, then those that wait for one, then the longest in memory. */
  holders(tenant: TenantId, most: number): RunView[] {
    return holdersOf(this.#host.runs.values(), tenant, most, this.#options.clock.monotonic());
  }

  /** Circuit breakers of tools that are open or half open. */
  toolBreakers(): OpenBreaker[] {
    return this.#host.broker.openBreakers();
  }

  /** The number of this host among the nodes of its store; undefined while it has none. */
  get node(): number | undefined {
    return this.#host.membership.present;
  }

  /** Reasons why this host is stalled; empty if it makes progress or has no work. */
  get stalls(): readonly Stall[] {
    return this.#host.progress.stalls;
  }

  /** Resources that a tenant uses on this host at present. */
  tenant(tenant: TenantId): TenantView {
    return tenantView({ runs: this.#host.runs, replayCpu: this.#host.scheduler.replayCpu, cells: this.#host.pool.count() }, tenant);
  }

  /** The cell that has the isolate of a run; undefined if the run has none. */
  cellOf(id: RunId): { readonly id: string; readonly pid: number | undefined } | undefined {
    const cell = this.#host.runs.get(id)?.seat?.cell;
    return cell && { id: cell.id, pid: cell.pid };
  }

  /** Parks every run that has nothing to do. They come back, by replay, with their next delivery. */
  park(): Promise<void> {
    return this.#host.residency.parkAll();
  }

  /** @see loadOf */
  load(): Promise<Load> {
    const { runs, pool } = this.#host;
    return loadOf(runs, { store: this.#options.store, now: this.#options.clock.monotonic(), cells: [...pool.cells].length });
  }

  observe(observer: (observation: Observation) => void): () => void {
    return this.#host.transitions.observers.add(observer);
  }

  /**
   * Prepares for `close`: takes no new work and begins no cranks. Calls under way have `within_ms` to answer; their answers are durable
   * when this resolves.
   */
  async drain(within_ms: number): Promise<void> {
    const { progress, scheduler, broker, runs } = this.#host;
    this.#stopping = true;
    progress.close();
    scheduler.drain();
    keepAnswers(broker, runs.values());
    await broker.drain(within_ms);
  }

  /**
   * Stops the host: cells are killed, and commits that the store has accepted become durable. Runs go on when the folder is opened again.
   */
  async close(): Promise<void> {
    const { progress, borrowed, watch, stops, residency, scheduler, lifecycle, ends, families, pool, broker, membership } = this.#host;
    this.#stopping = true;
    progress.close();
    borrowed.close();
    watch.close();
    stops.close();
    const hints = residency.close();
    scheduler.close();
    lifecycle.close();
    ends.close();
    families.close();
    pool.close();
    await Promise.all([hints, broker.close()]);
    await membership.leave().catch(() => undefined);
    await this.#options.store.close();
  }

  /** Loads the state of the store, and takes up the runs that were in memory when the last host on it ended. Parked runs stay parked. */
  async recover(): Promise<void> {
    const { store, clock } = this.#options;
    const { accounts, membership, seen, quarantines, services, residency, revival, families, stops } = this.#host;
    await membership.join();
    await accounts.load(store, clock.now());
    await seen.load();
    await quarantines.follow();
    await services.load();
    await recover(store, residency, revival);
    for (const orphan of await store.orphans()) void families.endOrphan(orphan);
    residency.open();
    void stops.takeUp();
    await residency.sweep();
  }

  #cellGone(exit: ProcessExit): void {
    const { pool, runtime, transitions } = this.#host;
    if (!pool.hopeless) return;
    const error = new CorralError(
      'CORRAL_CELL_START',
      `Cells do not start on this machine: ${lastWords(exit) || `exit code ${exit.code}`}.`,
    );
    // Runs in memory stay. Each was admitted after a cell had started, so the cause may pass.
    runtime.fail(error);
    transitions.observers.tell({ kind: 'hopeless', error });
  }
}
