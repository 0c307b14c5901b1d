/**
 * Decides which runs are in memory. A run that has nothing to do is parked (kept only in the store) after an idle time or when memory is
 * short, and comes back with its next delivery. The store's inbox is authoritative, and wake-ups are only hints: parking is a
 * compare-and-set on the inbox, and a sweep finds the runs whose hint was lost (ARCHITECTURE.md, "Residence, parking and revival").
 * Nothing here grows with the number of parked runs.
 */
import type { Broker } from '@corral/broker/broker';
import type { Grants } from '@corral/policy/capability/grants';
import { CorralError } from '@corral/protocol/errors';
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { Clock, WakeUps } from '@corral/protocol/ports/machine';
import type { Store } from '@corral/protocol/ports/store';
import { Places, type RunTable } from './places.ts';
import { Parking } from './parking.ts';
import type { Membership } from './membership.ts';
import type { Neighbours } from './neighbours.ts';
import type { Revival, TakenRun } from './revival.ts';
import type { Run } from './run.ts';
import { emitters } from '../events/signal.ts';
import type { Scheduler } from '../cells/scheduler.ts';
import type { ResidencyEvents, Transitions } from '../events/transitions.ts';
import { InProcessWakeUps } from './wake-ups.ts';

export interface ResidencyLimits {
  readonly park_after_ms: number;
  readonly runs_in_memory: number;
  readonly resident_mib: number;
  readonly sweep_ms: number;
}

export interface ResidencyOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Carries hints to the host that holds a run; undefined: they stay in this process. */
  readonly wakeUps: WakeUps | undefined;
  readonly broker: Broker;
  readonly grants: Grants;
  readonly scheduler: Scheduler;
  /** All runs in memory, including ended ones whose end is not durable yet. */
  readonly runs: RunTable;
  readonly limits: ResidencyLimits;
  /** Maximum of runs in memory of one tenant. */
  readonly residents: (tenant: TenantId) => number;
  /** All configured tenants. */
  readonly tenants: () => Iterable<TenantId>;
  /** Whether as much is in memory for runs of a tenant as may be. */
  readonly isFull: (tenant: TenantId) => boolean;
  readonly membership: Membership;
  /** Brings runs back from the store. */
  readonly revival: Revival;
  /** Finds what other nodes have done; undefined if there are none. */
  readonly neighbours: Pick<Neighbours, 'look'> | undefined;
  readonly transitions: Transitions;
}

/** Maximum of runs that are brought in by one search. */
const SWEEP_RUNS = 256;
/** Number of free places that are filled at once; fewer are filled after FILL_MS. */
const FILL_RUNS = 128;
const FILL_MS = 200;
/** Time after a sweep before a due timer may trigger the next one. Milliseconds. */
const DUE_MS = 50;
/** Waiting runs of full tenants for which one sweep searches. */
const BEHIND_RUNS = 64;

export class Residency {
  readonly #options: ResidencyOptions;
  readonly #events: ResidencyEvents;
  #stopSweep: (() => void) | undefined;
  #alarm: { readonly due: number; readonly stop: () => void } | undefined;
  #sweeping = false;
  #closed = false;
  readonly #places: Places;
  readonly #wakeUps: WakeUps;
  /** Tenants whose runs wait in the store for a place, with the time since when. */
  readonly #backlog = new Map<TenantId, number>();
  /** Takers of the places of a tenant that become free, before its queued runs have them. */
  readonly #claimants = new Map<TenantId, (place: () => void) => void>();
  /** Since when no sweep has been completed, on the monotonic clock: runs may be waiting in the store. */
  #unseenSince: number | undefined;
  #opened = false;
  #filling: Promise<void> | undefined;
  #stopFill: (() => void) | undefined;
  readonly #parking: Parking;

  constructor(options: ResidencyOptions) {
    this.#options = options;
    this.#wakeUps = options.wakeUps ?? new InProcessWakeUps();
    const { runs, limits, residents, tenants, isFull, transitions } = options;
    this.#events = emitters(transitions.residency);
    this.#places = new Places({ runs, runs_in_memory: limits.runs_in_memory, residents, tenants, isFull });
    runs.left.listen(() => {
      this.#offer();
      this.#fillSoon();
    });
    const asleep = (run: Run, due: number | undefined) => {
      this.#events.onParked(run);
      if (due === undefined) return;
      this.#expect(due);
      this.#wakeUps.wake(run.id, due);
    };
    this.#parking = new Parking({ ...options, places: this.#places, closed: () => this.#closed, asleep, vacant: this.#events.onVacant });
  }

  /** Follows hints from now on. To be called once quarantines and policies are loaded, which decide whether a run may go on. */
  listen(): void {
    this.#wakeUps.subscribe((id) => this.#hinted(id));
  }

  /** Starts the periodic sweep. */
  open(): void {
    this.#opened = true;
    void this.#setAlarm();
    this.#next();
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#options.revival.close();
    this.#stopSweep?.();
    this.#alarm?.stop();
    this.#stopFill?.();
    return this.#wakeUps.close();
  }

  /**
   * Reserves a place for one more run of a tenant, until the returned function is called.
   * @returns undefined if no place is free, or if other runs of the tenant wait for one
   */
  place(tenant: TenantId): (() => void) | undefined {
    return this.#backlog.has(tenant) || this.#places.free(tenant) === 0 ? undefined : this.#places.come(tenant);
  }

  /** Reserves a place like `place`, even if other runs wait for one. If no place is free, some idle runs are parked to make room. */
  room(tenant: TenantId): (() => void) | undefined {
    if (this.#places.free(tenant) > 0) return this.#places.come(tenant);
    this.#parking.makeRoom();
    return undefined;
  }

  /**
   * Reserves each place of a tenant that becomes free, before runs that are queued can have it, until the returned function is called.
   * @param take is given what gives up the place
   */
  keep(tenant: TenantId, take: (place: () => void) => void): () => void {
    this.#claimants.set(tenant, take);
    return () => {
      if (this.#claimants.get(tenant) === take) this.#claimants.delete(tenant);
    };
  }

  /** A run has left memory: of the same tenant as those that are waited for, or of another one where the places of all were taken. */
  #offer(): void {
    for (const [tenant, take] of this.#claimants) {
      if (this.#places.free(tenant) === 0) continue;
      const come = this.#places.come(tenant);
      take(() => {
        come();
        this.#fillSoon();
      });
    }
  }

  /** Whether runs of a tenant wait in the store for a place in memory. */
  isBehind(tenant: TenantId): boolean {
    return this.#backlog.has(tenant);
  }

  /**
   * Since when runs outside of memory have been waiting for the host: because they have no place, are being brought back, or are not known
   * since the store does not answer. Runs of a tenant that has reached its own maximum do not count; they wait for the tenant.
   */
  get waitingSince(): number | undefined {
    if (!this.#opened || this.#closed) return undefined;
    const since = [this.#unseenSince, this.#options.revival.since].filter((at) => at !== undefined);
    for (const [tenant, at] of this.#backlog) if (!this.#places.hasItsOwn(tenant)) since.push(at);
    return since.length === 0 ? undefined : Math.min(...since);
  }

  /** Called when a run was left in the store because its tenant had no free place. */
  leave(tenant: TenantId): void {
    if (!this.#backlog.has(tenant)) this.#backlog.set(tenant, this.#options.clock.monotonic());
    this.#parking.makeRoom();
    this.#fillSoon();
  }

  /** @see Revival.hold */
  hold(id: RunId): Promise<Run | undefined> {
    return this.#options.revival.hold(id);
  }

  /** @see Revival.refresh */
  refresh(run: Run): Promise<boolean> {
    return this.#options.revival.refresh(run);
  }

  /** @see Revival.seize */
  seize(id: RunId): ReturnType<Revival['seize']> {
    return this.#options.revival.seize(id);
  }

  /** Whether a run is in memory or being brought back. */
  knows(id: RunId): boolean {
    return this.#options.runs.has(id) || this.#options.revival.isUnderway(id);
  }

  /** Called when something may have arrived for a run; superfluous calls do no harm. */
  hint(id: RunId): void {
    const run = this.#options.runs.get(id);
    if (run !== undefined) void this.#catchUp(run);
    else if (!this.#closed && !this.#options.revival.isUnderway(id)) this.#wakeUps.wake(id);
  }

  /**
   * Follows a hint from this host or another one. The run may be in memory or not, whatever it was when the hint was sent.
   * @returns a promise that is pending while the hint is followed, so that further hints for the run are merged meanwhile
   */
  #hinted(id: RunId): Promise<unknown> | undefined {
    const run = this.#options.runs.get(id);
    if (run !== undefined) return this.#catchUp(run);
    return this.#closed || this.#options.revival.isUnderway(id) ? undefined : this.#wake(id);
  }

  /**
   * Fetches what has arrived for a run in memory. The hint may also mean that nobody is left who could write to it, so it is looked at. If it is
   * parked meanwhile, the hint was for a run that is not in memory.
   */
  async #catchUp(run: Run): Promise<void> {
    const isRead = await this.#options.revival.refresh(run);
    if (run.parking !== undefined) await run.parking;
    if (this.#options.runs.get(run.id) !== run) this.hint(run.id);
    else if (isRead) this.#events.onCaughtUp(run);
  }

  /** @see Parking.parkAll */
  parkAll(): Promise<void> {
    return this.#parking.parkAll();
  }

  /** @see Parking.park */
  park(run: Run): Promise<boolean> {
    return this.#parking.park(run);
  }

  /** Periodic work: records that this host is alive, parks idle runs, and finds runs whose wake-up was missed. */
  async sweep(): Promise<void> {
    const { membership, clock, limits } = this.#options;
    if (this.#sweeping || this.#closed) return;
    this.#sweeping = true;
    this.#unseenSince ??= clock.monotonic();
    try {
      await membership.beat();
      const now = clock.monotonic();
      for (const run of this.#options.runs.values()) if (now - run.lastUsed >= limits.park_after_ms) void this.#parking.leave(run);
      this.#parking.relieve();
      await this.#fill();
      await this.#lookBehind();
      await this.#options.neighbours?.look();
      await this.#setAlarm();
      this.#unseenSince = undefined;
    } catch (error) {
      // The store cannot answer now; the next sweep tries again. A full disk is reported separately, and does not count as a stall.
      if (error instanceof CorralError && error.code === 'CORRAL_DISK_FULL') this.#unseenSince = undefined;
    } finally {
      this.#sweeping = false;
    }
  }

  /** Brings in runs that have something to do, of tenants that have free places. */
  #fill(): Promise<void> {
    const fill = async () => {
      const room = this.#places.room(SWEEP_RUNS);
      const { taken, unreadable } = await this.#options.revival.take(room);
      if (taken.length < room.runs) {
        const of = Map.groupBy(taken, ({ tenant }) => tenant);
        // Fewer runs were found than there was room for, so none of the tenant waits any more.
        for (const tenant of this.#backlog.keys())
          if ((of.get(tenant)?.length ?? 0) < (room.of?.[tenant] ?? room.runs)) this.#backlog.delete(tenant);
      }
      await Promise.all([...taken.map((one) => this.#bring(one)), ...unreadable.map((id) => this.#wake(id))]);
    };
    return (this.#filling ??= fill().finally(() => (this.#filling = undefined)));
  }

  /** Finds waiting runs of tenants that are full; for them, idle runs of the tenant are parked. */
  async #lookBehind(): Promise<void> {
    const { store, clock } = this.#options;
    if (this.#backlog.size > 0) this.#parking.makeRoom();
    const full = this.#places.full().filter((tenant) => !this.#backlog.has(tenant));
    if (full.length === 0) return;
    const behind = await store.wakeable(clock.now(), BEHIND_RUNS, [...this.#backlog.keys()]);
    await Promise.all(behind.map((id) => this.#wake(id)));
  }

  /** Schedules a search for waiting runs after a place became free. It brings in many at a time, since it costs the same for one. */
  #fillSoon(): void {
    if (this.#closed || this.#stopFill !== undefined || this.#filling !== undefined) return;
    let free = 0;
    for (const tenant of this.#backlog.keys()) free = Math.max(free, this.#places.free(tenant));
    if (free === 0) return;
    this.#stopFill = this.#options.clock.after(free >= FILL_RUNS ? 1 : FILL_MS, () => {
      this.#stopFill = undefined;
      this.#fill()
        .catch(() => undefined)
        .finally(() => this.#fillSoon());
    });
  }

  #next(): void {
    if (this.#closed) return;
    this.#stopSweep = this.#options.clock.after(this.#options.limits.sweep_ms, () => void this.sweep().then(() => this.#next()));
  }

  /** Sets a timer for the first timer of a parked run. */
  async #setAlarm(): Promise<void> {
    const due = await this.#options.store.nextDue().catch(() => undefined);
    // Runs whose timer is due already were just searched for. If they have no place yet, an immediate search would not help.
    if (due !== undefined) this.#expect(Math.max(due, this.#options.clock.now() + DUE_MS));
  }

  #expect(due: number): void {
    if (this.#closed || (this.#alarm !== undefined && this.#alarm.due <= due)) return;
    const { clock } = this.#options;
    this.#alarm?.stop();
    const stop = clock.after(Math.max(1, due - clock.now()), () => {
      this.#alarm = undefined;
      void this.sweep();
    });
    this.#alarm = { due, stop };
  }

  async #bring({ tenant, bring }: TakenRun): Promise<void> {
    const come = this.#places.come(tenant);
    // Errors are reported where they are found, and a run that stays with this node is tried again there.
    await bring()
      .catch(() => undefined)
      .finally(come);
  }

  async #wake(id: RunId): Promise<void> {
    try {
      const stored = await this.#options.store.run(id);
      // A run that may not go on stays parked; its resumption brings it back.
      if (stored === undefined || stored.status.lifecycle === 'ended' || stored.status.control !== 'none' || stored.still) return;
      // It may have been brought back while the store was asked. Then this host holds it already, and must not claim it again.
      if (this.knows(id)) return void (await this.#hinted(id));
      const { tenant } = stored.record;
      // No place is free: the run and its deliveries stay in the store.
      if (this.#places.free(tenant) === 0) return this.leave(tenant);
      const come = this.#places.come(tenant);
      try {
        await this.#options.revival.revive(id);
      } finally {
        come();
      }
    } catch {
      // The error was reported where it occurred. The sweep tries again if that can help.
    }
  }
}
