/** Stops that outlast a run: quarantines on agents, versions, tenants and tools, and the revocation of grants. */
import type { Grants } from '@corral/policy/capability/grants';
import type { Broker } from '@corral/broker/broker';
import type { BusEvents } from '@corral/broker/bus';
import type { SavedLedger } from '@corral/broker/ledger/snapshot';
import { CorralError, type ErrorCode } from '@corral/protocol/errors';
import type { GrantId, RunId, TenantId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Quarantine, QuarantineKind } from '@corral/protocol/model/quarantine';
import type { Changes, Store } from '@corral/protocol/ports/store';
import type { Control } from './control.ts';
import type { Quarantines } from './quarantine.ts';
import { ALL, recall } from './recall.ts';
import { abortedIn, heldBy, NAMED, reachedBy, stopCalls, type StoppedCalls, type ToolTaken, type ToolTaking } from './revocation.ts';
import { retry } from '../runs/retry.ts';
import type { Residency } from '../runs/residency.ts';
import type { Run } from '../runs/run.ts';
import type { Settlements } from '../runs/settlements.ts';
import type { Transitions } from '../events/transitions.ts';

export interface StopsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly grants: Grants;
  readonly broker: Broker;
  readonly runs: ReadonlyMap<RunId, Run>;
  readonly quarantines: Quarantines;
  readonly settlements: Settlements;
  readonly control: Control;
  readonly residency: Pick<Residency, 'hold' | 'hint' | 'room' | 'keep' | 'sweep'>;
  /** Learns what other nodes have decided up to now; undefined if there are none. */
  readonly learn: (() => Promise<void>) | undefined;
  readonly transitions: Transitions;
}

/** Parked runs that are checked together after a quarantine was lifted, and number of them that are brought back at once. */
const LOOK_RUNS = 64;
const AT_ONCE = 16;
/** Time for which places that become free are kept before runs are brought back to them: a search costs as much for one as for many. */
const KEPT_MS = 100;
const RETRY_MS = 1_000;
/** Errors of a stop for a run that does not need it any more. */
const NEEDLESS: ReadonlySet<string> = new Set<ErrorCode>(['CORRAL_RUN_STATE', 'CORRAL_RUN_UNKNOWN']);
const SAME: Awaited<ReturnType<Quarantines['follow']>> = { added: [], lifted: 0 };

type RunOfTenant = Pick<RunRecord, 'id' | 'tenant'>;
type Wish = Parameters<BusEvents['wished']>[1];

/** A quarantine that was lifted, with the person and the reason. */
interface Lifted {
  readonly quarantine: Quarantine;
  readonly by: string;
  readonly reason: string;
}

export class Stops {
  readonly #options: StopsOptions;
  #closed = false;
  /** Lifted quarantines whose runs may not all have been resumed yet. */
  readonly #lifted: Lifted[] = [];
  /** The search for runs to resume that is under way, whether another one was asked for, and whether it left runs for later. */
  #looking: Promise<void> | undefined;
  #wanted = false;
  /** Tenants whose runs alone are to be looked for, since there are places for them. */
  readonly #wantedOf = new Set<TenantId>();
  #missing = false;
  #retrying = false;
  /** Functions that give up places which are kept for runs to resume, and those that stop waiting for such places. */
  readonly #kept = new Map<TenantId, (() => void)[]>();
  readonly #waiting = new Map<TenantId, () => void>();
  #stopKept: (() => void) | undefined;
  readonly #resuming = new Map<RunId, Promise<void>>();
  /**
   * Tenants of which a grant was revoked since their parked runs were looked at. `ALL` at first: a host may have died between a revocation and
   * the search.
   */
  readonly #recalled = new Set<TenantId | typeof ALL>([ALL]);

  constructor(options: StopsOptions) {
    this.#options = options;
    const { transitions } = options;
    transitions.bus.wished.listen((run, wish) => this.#wished(run, wish));
    transitions.lifecycle.onClear.listen((run) => void this.resumeIfFree(run));
    transitions.consequences.onQuarantine.listen((quarantine, run) => {
      const { by, reason } = quarantine;
      // Observers get the event once the other runs of the version are stopped too.
      void this.#still(by, reason).then(() => transitions.observers.tell({ kind: 'quarantined', quarantine, by, reason, run }));
    });
  }

  /**
   * An inspector asks for a stop; it is recorded under the inspector's own principal, as those of people are under theirs. If it fails, the
   * run's log says so, and it is tried again as long as that may help. A run that is stopped or over by then needs no stop.
   */
  #wished(id: RunId, { what, by, reason }: Wish): void {
    const { runs, control, clock, transitions } = this.#options;
    const run = runs.get(id);
    const version = run?.ledger.version;
    const stop = async (): Promise<void> => {
      if (what === 'pause') await control.pause(id, by, reason);
      else if (run !== undefined && version !== undefined)
        await this.quarantine('version', version, by, reason, { tenant: run.tenant, cause: id });
    };
    const stopped = () =>
      stop().catch((error: unknown) => {
        if (!(error instanceof CorralError) || !NEEDLESS.has(error.code)) throw error;
      });
    stopped().catch((error: unknown) => {
      const again = error instanceof CorralError && error.retryable;
      const why = error instanceof Error ? error.message : String(error);
      const text = `${by} asked to ${what} this run, which failed${again ? ' and is tried again' : ''}: ${why}`;
      transitions.observers.tell({ kind: 'logged', run: id, level: 'error', text, place: undefined });
      if (again) retry(clock, () => this.#closed, stopped);
    });
  }

  /** All quarantines that stand. */
  quarantines(): readonly Quarantine[] {
    return this.#options.quarantines.list();
  }

  /** The quarantine that stops runs of this agent and version. */
  against(run: Pick<RunRecord, 'tenant' | 'agent'>, version: string): Quarantine | undefined {
    return this.#options.quarantines.against(run, version);
  }

  /** The quarantine on a tool of a tenant. */
  againstTool(tenant: string, name: string): Quarantine | undefined {
    return this.#options.quarantines.tool(tenant, name);
  }

  /**
   * Puts an agent, a version, a tenant or a tool under quarantine. When this resolves, it is durable and the runs concerned are stopped.
   * @param where `tenant`: the tenant in which it holds; without it, a version is stopped in every tenant. `cause`: the run that caused it
   */
  async quarantine(
    kind: QuarantineKind,
    name: string,
    by: string,
    reason: string,
    where: { readonly tenant?: string | undefined; readonly cause?: RunId } = {},
  ): Promise<void> {
    const { clock, quarantines, transitions } = this.#options;
    const { tenant, cause } = where;
    const quarantine = { kind, ...(tenant === undefined ? {} : { tenant }), name, by, reason, at: clock.now() };
    // It takes effect before it is durable, so that no run concerned goes on meanwhile.
    const durable = quarantines.put(quarantine);
    await Promise.all([durable, this.#still(by, reason)]);
    transitions.observers.tell({ kind: 'quarantined', quarantine, by, reason, ...(cause === undefined ? {} : { run: cause }) });
  }

  /**
   * Takes over what other nodes have decided: quarantines that they have put up or lifted, and grants that they have revoked. When this
   * resolves, the runs in memory that it concerns are stopped, and their calls are aborted.
   */
  async follow(changes: Pick<Changes, 'quarantines' | 'revoked'>): Promise<void> {
    const { quarantines, grants, store } = this.#options;
    // Before the quarantines: those are new to this node once, and its runs must be stopped then.
    const revoked = changes.revoked ?? (await store.revoked(grants.standing()));
    const { added, lifted } = changes.quarantines ? await quarantines.follow() : SAME;
    for (const grant of revoked) grants.revoke(grant);
    if (revoked.length > 0) stopCalls(this.#options);
    if (lifted > 0) void this.takeUp();
    await Promise.all(added.map(({ by, reason }) => this.#still(by, reason)));
  }

  /** Lifts a quarantine and resumes the runs that it stopped, unless another quarantine stops them. */
  async lift(kind: QuarantineKind, name: string, by: string, reason: string, tenant?: string): Promise<void> {
    const { clock, quarantines, residency, transitions } = this.#options;
    const quarantine = await quarantines.lift(kind, name, by, clock.now(), tenant);
    transitions.observers.tell({ kind: 'lifted', quarantine, by, reason });
    await this.takeUp({ quarantine, by, reason });
    await residency.sweep();
  }

  /**
   * Resumes the runs whose quarantine was lifted, also parked ones, and those that a host left behind when it died between a lift and the
   * resumption. Runs that another quarantine stops stay in the store. Runs for which memory has no place come later: the next free places of
   * their tenant are kept for them, which else its queued runs would take. If the store refuses a resumption, it is tried again. A call while a search is under way waits for one further search.
   */
  takeUp(lifted?: Lifted): Promise<void> {
    if (lifted !== undefined) this.#lifted.push(lifted);
    this.#wanted = true;
    this.#looking ??= this.#lookAgain();
    return this.#looking;
  }

  async #lookAgain(): Promise<void> {
    while ((this.#wanted || this.#wantedOf.size > 0) && !this.#closed) {
      const only = this.#wanted ? undefined : new Set(this.#wantedOf);
      this.#wanted = false;
      this.#wantedOf.clear();
      if (only === undefined) this.#missing = false;
      await this.#look(only).catch(() => (this.#missing = true));
    }
    this.#giveUp();
    // In the same synchronous step as the check of `#wanted`, so that no request is missed.
    this.#looking = undefined;
    if (this.#missing) this.#again();
    else this.#lifted.length = 0;
  }

  /** @param only tenants for whose parked runs places were kept; undefined: all runs are looked at */
  async #look(only: ReadonlySet<TenantId> | undefined): Promise<void> {
    const { runs, store } = this.#options;
    const full = new Set<TenantId>();
    const isSought = (tenant: TenantId) => only === undefined || only.has(tenant);
    for (const [tenant, stop] of this.#waiting) if (isSought(tenant) && this.#waiting.delete(tenant)) stop();
    if (only === undefined) await Promise.all([...runs.values()].map((run) => this.resumeIfFree(run)));
    for (let after: RunId | undefined; !this.#closed;) {
      const parked = await store.quarantined(after, LOOK_RUNS);
      after = parked.at(-1)?.id;
      if (after === undefined) break;
      const looked = await Promise.all(
        parked.map(async (one) => (full.has(one.tenant) || !isSought(one.tenant) ? undefined : this.#mayGoOn(one))),
      );
      const free = looked.filter((one) => one !== undefined);
      for (let i = 0; i < free.length; i += AT_ONCE) await Promise.all(free.slice(i, i + AT_ONCE).map((one) => this.#bringBack(one, full)));
    }
    for (const tenant of this.#recalled.values().toArray()) {
      if (tenant === ALL ? only !== undefined : !isSought(tenant)) continue;
      this.#recalled.delete(tenant);
      const left = await recall(this.#options.store, tenant, {
        isHere: (id) => this.#options.runs.has(id),
        isClosed: () => this.#closed,
        bringBack: (one) => this.#bringBack(one, full),
      }).catch(() => true);
      if (left || this.#missing) this.#recalled.add(tenant);
      if (left) this.#missing = true;
    }
  }

  /** Has the parked runs of a grant's tenant looked at. Never rejects. */
  async #recallFor(grant: GrantId): Promise<void> {
    const { store, runs, grants, residency } = this.#options;
    try {
      const holder = await store.holder(grant);
      if (holder === undefined) return;
      const target = (grants.get(grant) ?? (await store.grants(holder)).find(({ id }) => id === grant))?.target;
      // Perhaps nobody is left who could write to that run.
      if (target?.kind === 'mailbox') residency.hint(target.run);
      const record = runs.get(holder)?.ledger.record ?? (await store.run(holder))?.record;
      this.#recalled.add(record?.tenant ?? ALL);
    } catch {
      this.#recalled.add(ALL);
    }
    await this.takeUp();
  }

  /** A parked run, if by its record no quarantine stops it any more, or if the store could not read its record. */
  async #mayGoOn(one: RunOfTenant): Promise<RunOfTenant | undefined> {
    const stored = await this.#options.store.run(one.id).catch(() => undefined);
    if (stored === undefined) return one;
    const { record, ledger } = stored;
    // The present version of the run is in the ledger that its last host saved.
    const version = ledger === undefined ? undefined : (JSON.parse(ledger) as SavedLedger).version;
    return this.against(record, version ?? '') === undefined ? one : undefined;
  }

  /** @param full tenants for which memory has no place now */
  async #bringBack({ id, tenant }: RunOfTenant, full: Set<TenantId>): Promise<void> {
    if (full.has(tenant)) return;
    const { residency } = this.#options;
    const come = this.#kept.get(tenant)?.pop() ?? residency.room(tenant);
    if (come === undefined) {
      full.add(tenant);
      this.#missing = true;
      this.#waiting.get(tenant)?.();
      this.#waiting.set(
        tenant,
        residency.keep(tenant, (place) => this.#keep(tenant, place)),
      );
      return;
    }
    const run = await residency
      .hold(id)
      .catch((error: unknown) => this.#missed(error))
      .finally(come);
    if (run !== undefined) await this.resumeIfFree(run);
  }

  /**
   * Resumes a run under quarantine if no quarantine stops it any more; it may have been on its way into memory at the time of the lift. A
   * run that was quarantined by itself, because it cannot be read or because hosts died while it was at work, stays so: its journal does
   * not contain the quarantine. Another node may have put up the quarantine that this host does not know, so it learns of that first.
   */
  resumeIfFree(run: Run): Promise<void> {
    if (run.control !== 'quarantined' || run.ledger.control !== 'quarantined') return Promise.resolve();
    if (run.outcome !== undefined || this.#concerns(run)) return Promise.resolve();
    const underway = this.#resuming.get(run.id);
    if (underway !== undefined) return underway;
    const resuming = this.#resume(run)
      .catch((error: unknown) => this.#missed(error))
      .finally(() => this.#resuming.delete(run.id));
    this.#resuming.set(run.id, resuming);
    return resuming;
  }

  async #resume(run: Run): Promise<void> {
    const { control, learn } = this.#options;
    await learn?.();
    if (this.#concerns(run)) return;
    const { by, reason } = this.#lifterOf(run);
    await control.resume(run.id, by, reason, { quarantined: true });
  }

  /** The person and reason of the last lift of a quarantine that concerned a run. */
  #lifterOf({ ledger: { record, version } }: Run): { readonly by: string; readonly reason: string } {
    const named: Readonly<Record<QuarantineKind, readonly string[]>> = {
      tenant: [record.tenant],
      agent: [record.agent, `${record.tenant}/${record.agent}`],
      version: [version],
      tool: [],
    };
    const concerned = this.#lifted.findLast(
      ({ quarantine: { kind, name, tenant } }) => named[kind].includes(name) && (tenant === undefined || tenant === record.tenant),
    );
    return concerned ?? { by: 'quarantine', reason: 'The quarantine was lifted.' };
  }

  /** Schedules another attempt if the error is retryable. Else the run cannot be read, or was resumed or ended meanwhile. */
  #missed(error: unknown): undefined {
    if (!(error instanceof CorralError) || !error.retryable) return;
    this.#missing = true;
    // Outside of a search, nothing else would schedule the next one.
    if (this.#looking === undefined) this.#again();
  }

  /** Keeps a place for a run that is to be resumed, and has such runs looked for soon. */
  #keep(tenant: TenantId, place: () => void): void {
    const kept = this.#kept.get(tenant) ?? [];
    if (this.#closed || kept.length >= AT_ONCE) return place();
    this.#kept.set(tenant, [...kept, place]);
    this.#wantedOf.add(tenant);
    // A search that is under way goes on with these.
    if (this.#looking !== undefined) return;
    this.#stopKept ??= this.#options.clock.after(KEPT_MS, () => {
      this.#stopKept = undefined;
      this.#looking ??= this.#lookAgain();
    });
  }

  /** Gives up the places for which no run was found. */
  #giveUp(): void {
    for (const places of this.#kept.values()) for (const place of places) place();
    this.#kept.clear();
  }

  #again(): void {
    if (this.#retrying) return;
    this.#retrying = true;
    this.#options.clock.after(RETRY_MS, () => {
      this.#retrying = false;
      if (!this.#closed) void this.takeUp();
    });
  }

  close(): void {
    this.#closed = true;
    this.#stopKept?.();
    for (const stop of this.#waiting.values()) stop();
    this.#giveUp();
  }

  /** Stops the runs in memory that a quarantine concerns; resolves when they are stopped. */
  async #still(by: string, reason: string): Promise<void> {
    const { runs, control } = this.#options;
    // Paused runs too: a pause that is under way may not have stopped the crank yet, and this call waits for its turn after it.
    const concerned = [...runs.values()].filter((run) => this.#concerns(run));
    await Promise.allSettled(concerned.map((run) => control.pause(run.id, by, reason, 'quarantined')));
  }

  /** The reach of the revocation of a grant now: runs in memory that hold it or one derived from it, and their calls under way. */
  revocable(grant: GrantId): ReturnType<typeof reachedBy> {
    return reachedBy(this.#options, grant);
  }

  /**
   * Revokes a grant, and with it at once all grants that were derived from it: a single mark suffices. Calls under way are aborted if their
   * tool supports it, and their results are not delivered. Durable when this resolves.
   * @returns what became of the calls that were made with it
   * @throws CORRAL_GRANT_UNKNOWN
   */
  async revoke(grant: GrantId, by: string, reason: string): Promise<StoppedCalls> {
    const { grants, store } = this.#options;
    grants.takeBack(grant);
    const calls = stopCalls(this.#options);
    const stopped = { calls_aborted: abortedIn(calls), calls: calls.slice(0, NAMED) };
    if (!(await this.#markRevoked(grant, by, reason, stopped.calls_aborted, () => store.holder(grant))))
      throw new CorralError('CORRAL_GRANT_UNKNOWN', `There is no grant ${grant}.`);
    // The revocation holds already; whether parked runs could be told does not change that.
    void this.#recallFor(grant);
    return stopped;
  }

  /**
   * Takes a tool back from runs: revokes every grant to it that they hold, as `revoke` does, and looks for their calls under way once.
   * @returns the runs that held any, each with what resolves when that is durable
   */
  takeTool(taking: ToolTaking, by: string, reason: string): ReadonlyMap<RunId, Promise<ToolTaken>> {
    const { grants, clock } = this.#options;
    const began = clock.monotonic();
    const held = heldBy(this.#options, taking);
    for (const one of held.values()) for (const grant of one) grants.takeBack(grant);
    const calls = Map.groupBy(stopCalls(this.#options), ({ run }) => run);
    const taken = async (run: RunId, all: ReadonlySet<GrantId>): Promise<ToolTaken> => {
      const stopped = calls.get(run) ?? [];
      const calls_aborted = abortedIn(stopped);
      const marked = await Promise.all([...all].map((grant) => this.#markRevoked(grant, by, reason, calls_aborted, () => run)));
      const latency_ms = clock.monotonic() - began;
      return { latency_ms, grants_revoked: marked.filter(Boolean).length, calls_aborted, calls: stopped.slice(0, NAMED) };
    };
    const all = new Map([...held].map(([run, of]) => [run, taken(run, of)] as const));
    void Promise.allSettled(all.values()).then(() => {
      for (const { tenant } of taking.runs) this.#recalled.add(tenant);
      return this.takeUp();
    });
    return all;
  }

  /** Resolves once all that runs were allowed to do up to now is durable, or was refused: what they handed on is known to the store then. */
  settled(): Promise<void> {
    return this.#options.broker.settled();
  }

  /** @returns whether the store knows the grant */
  async #markRevoked(
    grant: GrantId,
    by: string,
    reason: string,
    calls_aborted: number,
    holder: () => RunId | undefined | Promise<RunId | undefined>,
  ): Promise<boolean> {
    const { store, clock, transitions } = this.#options;
    if (!(await store.revoke(grant, by, reason, clock.now()))) return false;
    transitions.observers.tell({ kind: 'revoked', grant, run: await holder(), by, reason, calls_aborted });
    return true;
  }

  #concerns({ ledger }: Run): boolean {
    return this.#options.quarantines.against(ledger.record, ledger.version) !== undefined;
  }
}
