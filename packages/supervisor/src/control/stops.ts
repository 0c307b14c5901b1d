/** What people stop for good, or until they say otherwise: agents, versions, tenants and tools under quarantine, grants taken back. */
import type { Grants } from '@corral/policy/capability/grants';
import type { Broker } from '@corral/broker/broker';
import type { SavedLedger } from '@corral/broker/ledger/snapshot';
import { CorralError } from '@corral/protocol/errors';
import type { GrantId, RunId, TenantId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Quarantine, QuarantineKind } from '@corral/protocol/model/quarantine';
import type { Store } from '@corral/protocol/ports/store';
import type { Control } from './control.ts';
import type { Quarantines } from './quarantine.ts';
import { stopCalls } from './revocation.ts';
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
  readonly residency: Pick<Residency, 'hold' | 'room' | 'sweep'>;
  readonly transitions: Transitions;
}

/** Parked runs that are looked at together when what kept them still is lifted, and that are brought back at once. */
const LOOK_RUNS = 64;
const AT_ONCE = 16;
const RETRY_MS = 1_000;

/** Who let go of a quarantine, and why. */
interface Lifted {
  readonly quarantine: Quarantine;
  readonly by: string;
  readonly reason: string;
}

export class Stops {
  readonly #options: StopsOptions;
  #closed = false;
  /** Lifts of which some runs may not have gone on yet. */
  readonly #lifted: Lifted[] = [];
  /** The look at what may go on that is under way, whether one more was asked for, and whether it left something for later. */
  #looking: Promise<void> | undefined;
  #wanted = false;
  #missing = false;
  #retrying = false;
  readonly #resuming = new Map<RunId, Promise<void>>();

  constructor(options: StopsOptions) {
    this.#options = options;
    const { transitions } = options;
    transitions.lifecycle.onClear.listen((run) => void this.resumeIfFree(run));
    transitions.consequences.onQuarantine.listen((quarantine, run) => {
      const { by, reason } = quarantine;
      // Observers are told once the other runs of the version stand still too.
      void this.#still(by, reason).then(() => transitions.observers.tell({ kind: 'quarantined', quarantine, by, reason, run }));
    });
  }

  /** Durable stops that stand. */
  quarantines(): readonly Quarantine[] {
    return this.#options.quarantines.list();
  }

  /** What stands against a run of this agent and version. */
  against(run: Pick<RunRecord, 'tenant' | 'agent'>, version: string): Quarantine | undefined {
    return this.#options.quarantines.against(run, version);
  }

  /** What stands against a tool of a tenant. */
  againstTool(tenant: string, name: string): Quarantine | undefined {
    return this.#options.quarantines.tool(tenant, name);
  }

  /**
   * Stops an agent, a version, a tenant or a tool until somebody lifts it; runs that it concerns stand still when this resolves.
   * @param where the tenant in which it stands alone; without one, a version is stopped in every tenant. `cause`: the run that led to it
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
    // It stands before it is durable: nobody it concerns goes on meanwhile.
    const durable = quarantines.put(quarantine);
    await Promise.all([durable, this.#still(by, reason)]);
    transitions.observers.tell({ kind: 'quarantined', quarantine, by, reason, ...(cause === undefined ? {} : { run: cause }) });
  }

  /** Lets go of a quarantine; runs that it kept still go on, unless another one stands against them. */
  async lift(kind: QuarantineKind, name: string, by: string, reason: string, tenant?: string): Promise<void> {
    const { clock, quarantines, residency, transitions } = this.#options;
    const quarantine = await quarantines.lift(kind, name, by, clock.now(), tenant);
    transitions.observers.tell({ kind: 'lifted', quarantine, by, reason });
    await this.takeUp({ quarantine, by, reason });
    await residency.sweep();
  }

  /**
   * Lets runs go on that a quarantine kept still which does not stand any more: parked ones, and those that a host left behind
   * that died between the lift and their resumption, too. Those that another quarantine keeps still are left in the store, and those
   * that memory has no place for come when it has. What the store refuses now is tried again. Whoever asks while this is under way
   * waits for one more look, and never for two at a time.
   */
  takeUp(lifted?: Lifted): Promise<void> {
    if (lifted !== undefined) this.#lifted.push(lifted);
    this.#wanted = true;
    this.#looking ??= this.#lookAgain();
    return this.#looking;
  }

  async #lookAgain(): Promise<void> {
    while (this.#wanted && !this.#closed) {
      this.#wanted = false;
      this.#missing = false;
      await this.#look().catch(() => (this.#missing = true));
    }
    // In the same breath as the look at whether one more is wanted.
    this.#looking = undefined;
    if (this.#missing) this.#again();
    else this.#lifted.length = 0;
  }

  async #look(): Promise<void> {
    const { runs, store } = this.#options;
    const full = new Set<TenantId>();
    await Promise.all([...runs.values()].map((run) => this.resumeIfFree(run)));
    for (let after: RunId | undefined; !this.#closed;) {
      const parked = await store.quarantined(after, LOOK_RUNS);
      after = parked.at(-1);
      if (after === undefined) return;
      const looked = await Promise.all(parked.map((id) => this.#mayGoOn(id)));
      const free = looked.filter((one) => one !== undefined);
      for (let i = 0; i < free.length; i += AT_ONCE) await Promise.all(free.slice(i, i + AT_ONCE).map((one) => this.#bringBack(one, full)));
    }
  }

  /** A parked run, if nothing stands against it any more, by what the store has of it; one that the store cannot say that of is looked at. */
  async #mayGoOn(id: RunId): Promise<{ readonly id: RunId; readonly tenant?: TenantId } | undefined> {
    const stored = await this.#options.store.run(id).catch(() => undefined);
    if (stored === undefined) return { id };
    const { record, ledger } = stored;
    // The version that it runs now is in what its last host knew of it.
    const version = ledger === undefined ? undefined : (JSON.parse(ledger) as SavedLedger).version;
    return this.against(record, version ?? '') === undefined ? { id, tenant: record.tenant } : undefined;
  }

  /** @param full tenants that memory has no place for now */
  async #bringBack({ id, tenant }: { readonly id: RunId; readonly tenant?: TenantId }, full: Set<TenantId>): Promise<void> {
    if (tenant !== undefined && full.has(tenant)) return;
    const { residency } = this.#options;
    const come = tenant === undefined ? () => undefined : residency.room(tenant);
    if (come === undefined) {
      full.add(tenant as TenantId);
      this.#missing = true;
      return;
    }
    const run = await residency
      .hold(id)
      .catch((error: unknown) => this.#missed(error))
      .finally(come);
    if (run !== undefined) await this.resumeIfFree(run);
  }

  /**
   * A run under quarantine goes on if nothing stands against it any more. It may have been on its way into memory at the lift.
   * One that was set aside because it cannot be read, or because hosts died under it, stays so: its journal knows of no quarantine.
   */
  resumeIfFree(run: Run): Promise<void> {
    if (run.control !== 'quarantined' || run.ledger.control !== 'quarantined') return Promise.resolve();
    if (run.outcome !== undefined || this.#concerns(run)) return Promise.resolve();
    const underway = this.#resuming.get(run.id);
    if (underway !== undefined) return underway;
    const { by, reason } = this.#lifterOf(run);
    const resuming = this.#options.control
      .resume(run.id, by, reason, { quarantined: true })
      .then(
        () => undefined,
        (error: unknown) => this.#missed(error),
      )
      .finally(() => this.#resuming.delete(run.id));
    this.#resuming.set(run.id, resuming);
    return resuming;
  }

  /** Who let go of what kept a run still: the last one whose quarantine concerned it. */
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
    return concerned ?? { by: 'quarantine', reason: 'It does not stand any more.' };
  }

  /** What cannot be read is kept still for a person, and what somebody else has resumed or ended needs nothing. */
  #missed(error: unknown): undefined {
    if (!(error instanceof CorralError) || !error.retryable) return;
    this.#missing = true;
    // Outside of a look, nobody else asks for the next one.
    if (this.#looking === undefined) this.#again();
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
  }

  /** Runs in memory that a quarantine concerns stand still when this resolves. */
  async #still(by: string, reason: string): Promise<void> {
    const { runs, control } = this.#options;
    // Paused ones as well: a pause that is under way may not have stopped the crank yet, and is waited for by this one's turn.
    const concerned = [...runs.values()].filter((run) => this.#concerns(run));
    await Promise.allSettled(concerned.map((run) => control.pause(run.id, by, reason, 'quarantined')));
  }

  /**
   * Takes back a grant, and with it everything derived from it, at once: one mark, whatever hangs below. Calls under way are aborted
   * if their tool can, and what they return is kept from their agents. Durable when this resolves.
   * @returns how many calls were aborted
   * @throws CORRAL_GRANT_UNKNOWN
   */
  async revoke(grant: GrantId, by: string, reason: string): Promise<{ readonly calls_aborted: number }> {
    const { grants, store, clock, transitions } = this.#options;
    grants.takeBack(grant);
    const calls_aborted = stopCalls(this.#options);
    const known = await store.revoke(grant, by, reason, clock.now());
    if (!known) throw new CorralError('CORRAL_GRANT_UNKNOWN', `There is no grant ${grant}.`);
    transitions.observers.tell({ kind: 'revoked', grant, run: await store.holder(grant), by, reason, calls_aborted });
    return { calls_aborted };
  }

  #concerns({ ledger }: Run): boolean {
    return this.#options.quarantines.against(ledger.record, ledger.version) !== undefined;
  }
}
