/**
 * Who is in memory. A run with nothing to do is given up to the store (parked) after an idle time or when memory is short, and
 * comes back on its next delivery. The inbox in the store is the truth and wake-ups are hints: parking is a compare-and-set
 * on it, and a sweep finds what a lost hint missed (DESIGN 3.6). Nothing here grows with the number of parked runs.
 */
import type { Broker } from '@corral/broker/broker';
import { dueOf } from '@corral/broker/ledger/requests';
import type { Grants } from '@corral/policy/capability/grants';
import { CorralError } from '@corral/protocol/errors';
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { Clock, WakeUps } from '@corral/protocol/ports/machine';
import type { Store } from '@corral/protocol/ports/store';
import { Places, type RunTable } from './places.ts';
import type { Revival } from './revival.ts';
import type { Run } from './run.ts';
import { emitters } from '../events/signal.ts';
import type { Scheduler } from '../cells/scheduler.ts';
import type { ResidenceEvents, Transitions } from '../events/transitions.ts';
import { InProcessWakeUps } from './wake-ups.ts';

export interface ResidenceLimits {
  readonly park_after_ms: number;
  readonly runs_in_memory: number;
  readonly resident_mib: number;
  readonly sweep_ms: number;
}

export interface ResidenceOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Carries hints to the host that takes them; undefined: they stay in this process. */
  readonly wakeUps: WakeUps | undefined;
  readonly broker: Broker;
  readonly grants: Grants;
  readonly scheduler: Scheduler;
  /** Everything in memory, ended runs that are not durable yet included. */
  readonly runs: RunTable;
  readonly limits: ResidenceLimits;
  /** Runs that a tenant may have in memory. */
  readonly residents: (tenant: TenantId) => number;
  /** How runs come back. */
  readonly revival: Revival;
  readonly transitions: Transitions;
}

/** Wake-ups that one sweep follows. */
const SWEEP_RUNS = 256;
/** Places that are worth a look at once; fewer are filled after a while. */
const FILL_RUNS = 128;
const FILL_MS = 200;
/** How soon after a sweep the next one may look for timers. */
const DUE_MS = 50;
/** How soon room is made, and for how many at least. */
const MAKE_MS = 5;
const ROOM_RUNS = 16;
/** Wake-ups of full tenants that one sweep looks for. */
const BEHIND_RUNS = 64;

export class Residency {
  readonly #options: ResidenceOptions;
  readonly #events: ResidenceEvents;
  #stopSweep: (() => void) | undefined;
  #alarm: { readonly due: number; readonly stop: () => void } | undefined;
  #sweeping = false;
  #closed = false;
  readonly #places: Places;
  readonly #wakeUps: WakeUps;
  /** Tenants of which runs wait in the store for a place, and since when. */
  readonly #backlog = new Map<TenantId, number>();
  /** Since when the store was not seen to have nothing more to do. */
  #unseenSince: number | undefined;
  #opened = false;
  #filling: Promise<void> | undefined;
  #stopFill: (() => void) | undefined;
  #making = false;

  constructor(options: ResidenceOptions) {
    this.#options = options;
    this.#wakeUps = options.wakeUps ?? new InProcessWakeUps();
    const { runs, limits, residents, transitions } = options;
    this.#events = emitters(transitions.residency);
    this.#places = new Places({ runs, runs_in_memory: limits.runs_in_memory, residents });
    runs.left.listen(() => this.#fillSoon());
  }

  /** Takes hints from now on; to be called once all is known that decides whether a run may go on. */
  listen(): void {
    this.#wakeUps.subscribe((id) => this.#hinted(id));
  }

  /** Begins to sweep. */
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
   * Keeps a place for one more run of a tenant, until what is returned is called; undefined where there is none, or others of its
   * runs wait for one.
   */
  place(tenant: TenantId): (() => void) | undefined {
    return this.#backlog.has(tenant) || this.#places.free(tenant) === 0 ? undefined : this.#places.come(tenant);
  }

  /** Keeps a place as above, whoever else waits for one; where there is none, some of what has nothing to do makes room. */
  room(tenant: TenantId): (() => void) | undefined {
    if (this.#places.free(tenant) > 0) return this.#places.come(tenant);
    this.#makeRoom();
    return undefined;
  }

  /** Whether runs of a tenant wait in the store for a place in memory. */
  isBehind(tenant: TenantId): boolean {
    return this.#backlog.has(tenant);
  }

  /**
   * Since when runs that have something to do are not in memory, where the host is what they wait for: they have no place, are on their
   * way, or the store does not say which they are. A tenant that has as many in memory as it may waits for itself.
   */
  get waitingSince(): number | undefined {
    if (!this.#opened || this.#closed) return undefined;
    const since = [this.#unseenSince, this.#options.revival.since].filter((at) => at !== undefined);
    for (const [tenant, at] of this.#backlog) if (!this.#places.hasItsOwn(tenant)) since.push(at);
    return since.length === 0 ? undefined : Math.min(...since);
  }

  /** A run of a tenant was left in the store for now, since there was no room. */
  leave(tenant: TenantId): void {
    if (!this.#backlog.has(tenant)) this.#backlog.set(tenant, this.#options.clock.monotonic());
    this.#makeRoom();
    this.#fillSoon();
  }

  /** @see Revival.hold */
  hold(id: RunId): Promise<Run | undefined> {
    return this.#options.revival.hold(id);
  }

  /** Whether a run is in memory, or on its way there. */
  knows(id: RunId): boolean {
    return this.#options.runs.has(id) || this.#options.revival.isUnderway(id);
  }

  /** Something may have arrived for a run. Calling this once too often does no harm. */
  hint(id: RunId): void {
    const run = this.#options.runs.get(id);
    if (run !== undefined) void this.#options.revival.refresh(run);
    else if (!this.#closed && !this.#options.revival.isUnderway(id)) this.#wakeUps.wake(id);
  }

  /**
   * A hint has come, from this host or another one: the run may be in memory by now, or not be any more.
   * @returns what is pending until it was followed: so hints that come faster than the store answers do not pile up here
   */
  #hinted(id: RunId): Promise<unknown> | undefined {
    const run = this.#options.runs.get(id);
    if (run !== undefined) return this.#options.revival.refresh(run);
    return this.#closed || this.#options.revival.isUnderway(id) ? undefined : this.#wake(id);
  }

  /** Parks everything that has nothing to do, now. */
  async parkAll(): Promise<void> {
    await Promise.all([...this.#options.runs.values()].map((run) => this.#leave(run)));
  }

  /**
   * Gives a run up to the store, if it has nothing to do or may not go on, and nothing would be lost.
   * @returns whether it is parked
   */
  async park(run: Run): Promise<boolean> {
    if (!this.#isParkable(run)) return false;
    if (this.#isAnswerMissing(run)) {
      await this.#options.broker.answers.keep(run, run.queue.unjournaled);
      // Between this look and the mark below nothing may be awaited: the run could begin a crank.
      if (this.#isAnswerMissing(run) || !this.#isParkable(run)) return false;
    }
    let parked = false;
    const parking = async () => {
      const { store, clock } = this.#options;
      try {
        const given = await store.park(
          run.id,
          run.epoch,
          run.queue.lastInbox,
          this.#deadline(run, clock.now()),
          JSON.stringify(run.ledger.save(run.lastAt)),
          !run.isFree,
        );
        if (!given) return;
      } catch {
        // The store has no space for it now, or is closing: the run stays.
        return;
      }
      // A timer fired meanwhile, or a message came after all.
      if (run.wants) {
        // If it cannot be claimed back it is parked; the store has what came for it, and the sweep finds it.
        const claimed = await store.claim(run.id).catch(() => undefined);
        if (claimed !== undefined) {
          run.reclaimed(claimed.epoch);
          return;
        }
      }
      // In the same breath as the look at its queue: whatever comes from here on finds it gone.
      parked = true;
      this.#forget(run);
    };
    run.park(parking());
    await run.parking;
    // One that has left stays as it is: nothing that still knows this object may set it going again.
    if (!parked) {
      run.stay();
      this.#options.scheduler.wake(run);
    }
    return parked;
  }

  /** One look at everything: signs of life, wake-ups that were missed, runs that should leave. */
  async sweep(): Promise<void> {
    const { store, clock, limits } = this.#options;
    if (this.#sweeping || this.#closed) return;
    this.#sweeping = true;
    this.#unseenSince ??= clock.monotonic();
    try {
      await store.alive(clock.now());
      const now = clock.monotonic();
      for (const run of this.#options.runs.values()) if (now - run.lastUsed >= limits.park_after_ms) void this.#leave(run);
      this.#relieve();
      await this.#fill();
      await this.#lookBehind();
      await this.#setAlarm();
      this.#unseenSince = undefined;
    } catch (error) {
      // The store cannot answer now; the next sweep asks again. That the disk is full is said by itself.
      if (error instanceof CorralError && error.code === 'CORRAL_DISK_FULL') this.#unseenSince = undefined;
    } finally {
      this.#sweeping = false;
    }
  }

  /** Brings in what has something to do, of tenants that have places free. */
  #fill(): Promise<void> {
    const fill = async () => {
      const { store, clock } = this.#options;
      const full = this.#places.full();
      const found = await store.wakeable(clock.now(), SWEEP_RUNS, full);
      if (found.length < SWEEP_RUNS) for (const tenant of this.#backlog.keys()) if (!full.includes(tenant)) this.#backlog.delete(tenant);
      await Promise.all(found.map((id) => this.#wake(id)));
    };
    return (this.#filling ??= fill().finally(() => (this.#filling = undefined)));
  }

  /** Runs of a tenant that is full may have something to do: for them, others of its runs that have nothing to do must leave. */
  async #lookBehind(): Promise<void> {
    const { store, clock } = this.#options;
    if (this.#backlog.size > 0) this.#makeRoom();
    const full = this.#places.full().filter((tenant) => !this.#backlog.has(tenant));
    if (full.length === 0) return;
    const behind = await store.wakeable(clock.now(), BEHIND_RUNS, [...this.#backlog.keys()]);
    await Promise.all(behind.map((id) => this.#wake(id)));
  }

  /** Somebody has left, or wants to come in: those who wait are brought in many at a time, since finding them costs the same for one. */
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

  /** Wakes up for the next timer of a parked run, however far away it is. */
  async #setAlarm(): Promise<void> {
    const due = await this.#options.store.nextDue().catch(() => undefined);
    // What is due already was looked for just now; where it has no place yet, looking again at once would not help.
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

  async #wake(id: RunId): Promise<void> {
    try {
      const stored = await this.#options.store.run(id);
      // One that may not go on stays where it is; whoever lets it go on brings it back.
      if (stored === undefined || stored.status.lifecycle === 'ended' || stored.status.control !== 'none' || stored.still) return;
      // Somebody else may have brought it back while the store was asked: then it is held already, and must not be claimed again.
      if (this.knows(id)) return void (await this.#hinted(id));
      const { tenant } = stored.record;
      // No room: the store keeps it, and what came for it.
      if (this.#places.free(tenant) === 0) return this.leave(tenant);
      const come = this.#places.come(tenant);
      try {
        await this.#options.revival.revive(id);
      } finally {
        come();
      }
    } catch {
      // Said where it was found; the sweep asks again where that can help.
    }
  }

  /** A run that has nothing to do leaves memory; if this host must remember something about it, at least its isolate goes. */
  async #leave(run: Run): Promise<void> {
    const idle = () => run.onCpu === undefined && !run.wants && !this.#options.scheduler.isBusy(run);
    if (!idle() || (await this.park(run))) return;
    if (idle() && run.parking === undefined) this.#options.scheduler.unseat(run);
  }

  /** Too many runs, or too much heap: the longest unused leave first, unless bringing them back is dear. */
  #relieve(): void {
    const { runs, limits, scheduler } = this.#options;
    if (this.#places.surplus > 0) this.#makeRoom();
    let heap_kib = 0;
    const of = new Map<TenantId, number>();
    for (const run of runs.values()) {
      if (run.seat === undefined) continue;
      heap_kib += run.heap_kib;
      of.set(run.tenant, (of.get(run.tenant) ?? 0) + run.heap_kib);
    }
    const most_kib = limits.resident_mib * 1024;
    if (heap_kib <= most_kib) return;
    for (const run of this.#idle()) {
      if (heap_kib <= most_kib * 0.9) return;
      // Whoever holds less than an even share is not made to pay for those who hold more.
      if (run.seat === undefined || (of.get(run.tenant) ?? 0) <= most_kib / of.size) continue;
      heap_kib -= run.heap_kib;
      of.set(run.tenant, (of.get(run.tenant) ?? 0) - run.heap_kib);
      scheduler.unseat(run);
    }
  }

  /** Parks some of what has nothing to do, of tenants that have more than their part. Once in a while is enough. */
  #makeRoom(): void {
    if (this.#making || this.#closed) return;
    this.#making = true;
    this.#options.clock.after(MAKE_MS, () => {
      this.#making = false;
      const places = Math.max(this.#places.surplus, ROOM_RUNS);
      const idle = this.#idle().filter((run) => this.#places.isOver(run.tenant));
      for (const run of idle.slice(0, places)) void this.park(run);
    });
  }

  #idle(): Run[] {
    const { runs, scheduler } = this.#options;
    return [...runs.values()]
      .filter((run) => run.onCpu === undefined && !run.wants && !scheduler.isBusy(run))
      .sort((a, b) => a.worth - b.worth);
  }

  #isParkable(run: Run): boolean {
    const { broker, scheduler, runs } = this.#options;
    if (this.#closed || runs.get(run.id) !== run || run.parking !== undefined || run.outcome !== undefined) return false;
    // The grace of one that was asked to stop runs here, and is soon over.
    if (run.isAsked || run.ledger.cancelled !== undefined) return false;
    if (run.onCpu !== undefined || scheduler.isBusy(run) || broker.isCommitting(run.id) || run.doubted) return false;
    if (run.wants) return false;
    for (const pending of run.ledger.pending.values())
      if (pending.kind === 'call' && pending.state === 'going' && !run.queue.hasReply(pending.id)) return false;
    return true;
  }

  /** A held run leaves with what waits for it: the store has that, once it has the answers that are in memory alone. */
  #isAnswerMissing(run: Run): boolean {
    const { answers } = this.#options.broker;
    return run.queue.unjournaled.some(({ id }) => !answers.isKept(run.id, id));
  }

  /** When it must be looked at though nothing arrives: the end of its wall time. */
  #deadline(run: Run, now: number): number | undefined {
    if (!run.isFree || !run.ledger.wall.runs) return undefined;
    return Math.ceil(now + Math.max(1, run.wallLeft_ms(this.#options.clock.monotonic())));
  }

  #forget(run: Run): void {
    const { runs, scheduler, grants, clock, broker } = this.#options;
    const deadline = this.#deadline(run, clock.now());
    const due = Math.min(
      deadline ?? Number.POSITIVE_INFINITY,
      ...[...run.ledger.pending.values()].map((one) => dueOf(one) ?? Number.POSITIVE_INFINITY),
    );
    scheduler.unseat(run);
    runs.delete(run.id);
    for (const id of [...run.ledger.caps.values(), ...run.queue.unreceived]) grants.release(id);
    broker.answers.parked(run.id);
    this.#events.onParked(run);
    if (run.isFree && Number.isFinite(due)) {
      this.#expect(due);
      this.#wakeUps.wake(run.id, due);
    }
    for (const other of runs.values()) if (other.tenant === run.tenant) return;
    this.#events.onVacant(run.tenant);
  }
}
