/**
 * Who is in memory. A run with nothing to do is given up to the store (parked) after an idle time or when memory is short, and
 * comes back on its next delivery. The inbox in the store is the truth and wake-ups are hints: parking is a compare-and-set
 * on it, and a sweep finds what a lost hint missed (DESIGN 3.6). Nothing here grows with the number of parked runs.
 */
import type { Broker } from '@corral/broker/broker';
import { dueOf } from '@corral/broker/requests';
import type { Grants } from '@corral/policy/grants';
import { CorralError } from '@corral/protocol/errors';
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { Clock, WakeUps } from '@corral/protocol/ports';
import type { Store, StoredRun } from '@corral/protocol/store';
import { Places, type RunTable } from './runs/places.ts';
import { addChain } from './runs/revive.ts';
import { grantsIn } from './runs/queue.ts';
import type { Run } from './runs/run.ts';
import { emitters } from './signal.ts';
import type { Stage } from './stage.ts';
import type { ResidenceEvents, Transitions } from './transitions.ts';
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
  readonly stage: Stage;
  /** Everything in memory, ended runs that are not durable yet included. */
  readonly runs: RunTable;
  readonly limits: ResidenceLimits;
  /** Runs that a tenant may have in memory. */
  readonly residents: (tenant: TenantId) => number;
  /** Makes a run of what the store has. */
  readonly revive: (stored: StoredRun) => Promise<Run>;
  readonly transitions: Transitions;
}

/** Hosts that may die under a run that gets no further, before it is suspected of having killed them. */
const ATTEMPTS = 3;
const RETRY_MS = 1_000;
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
/** What no trying again would change. */
const QUARANTINED: ReadonlySet<string> = new Set(['CORRAL_JOURNAL_DAMAGED', 'CORRAL_AGENT_UNKNOWN', 'CORRAL_INTERNAL']);
/** Wake-ups of full tenants that one sweep looks for. */
const BEHIND_RUNS = 64;
/** Attempts at parking a run that messages keep arriving for. */
const GIVE_BACK = 5;

export class Residence {
  readonly #options: ResidenceOptions;
  readonly #events: ResidenceEvents;
  readonly #reviving = new Map<RunId, Promise<Run | undefined>>();
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
  /** Since when somebody is being brought back. */
  #revivingSince: number | undefined;
  #opened = false;
  #filling: Promise<void> | undefined;
  #stopFill: (() => void) | undefined;
  #making = false;

  constructor(options: ResidenceOptions) {
    this.#options = options;
    this.#wakeUps = options.wakeUps ?? new InProcessWakeUps();
    const { runs, limits, residents, transitions } = options;
    this.#events = emitters(transitions.residence);
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
    const since = [this.#unseenSince, this.#revivingSince].filter((at) => at !== undefined);
    for (const [tenant, at] of this.#backlog) if (!this.#places.hasItsOwn(tenant)) since.push(at);
    return since.length === 0 ? undefined : Math.min(...since);
  }

  /** A run of a tenant was left in the store for now, since there was no room. */
  leave(tenant: TenantId): void {
    if (!this.#backlog.has(tenant)) this.#backlog.set(tenant, this.#options.clock.monotonic());
    this.#makeRoom();
    this.#fillSoon();
  }

  /**
   * The run, in memory and not about to leave it; undefined when there is no such run, or it has ended.
   * @throws CORRAL_JOURNAL_DAMAGED and others, when it cannot be brought back
   */
  async hold(id: RunId): Promise<Run | undefined> {
    for (;;) {
      const run = this.#options.runs.get(id);
      if (run === undefined) {
        const revived = await this.#revive(id);
        // Ended as it came back, by a fence: it will not be in memory however often it is brought there.
        if (revived === undefined || revived.outcome !== undefined) return revived;
      } else if (run.parking !== undefined) await run.parking;
      else {
        // It stays until whoever asked has had their turn.
        run.asked += 1;
        this.#options.clock.after(0, () => (run.asked -= 1));
        return run;
      }
    }
  }

  /** A run is nobody's and could not be brought back, for want of space perhaps: it is tried again, for no sweep looks for it. */
  retry(id: RunId, error: unknown): void {
    if (this.#closed || !(error instanceof CorralError) || QUARANTINED.has(error.code)) return;
    this.#options.clock.after(RETRY_MS, () => void this.hold(id).catch((again) => this.retry(id, again)));
  }

  /** Whether a run is in memory, or on its way there. */
  knows(id: RunId): boolean {
    return this.#options.runs.has(id) || this.#reviving.has(id);
  }

  /** Something may have arrived for a run. Calling this once too often does no harm. */
  hint(id: RunId): void {
    const run = this.#options.runs.get(id);
    if (run !== undefined) void this.#refresh(run);
    else if (!this.#closed && !this.#reviving.has(id)) this.#wakeUps.wake(id);
  }

  /** A hint has come, from this host or another one: the run may be in memory by now, or not be any more. */
  #hinted(id: RunId): void {
    const run = this.#options.runs.get(id);
    if (run !== undefined) void this.#refresh(run);
    else if (!this.#closed && !this.#reviving.has(id)) void this.#wake(id);
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
    run.parking = (async () => {
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
          run.epoch = claimed.epoch;
          return;
        }
      }
      // In the same breath as the look at its queue: whatever comes from here on finds it gone.
      parked = true;
      this.#forget(run);
    })();
    await run.parking;
    // One that has left stays as it is: nothing that still knows this object may set it going again.
    if (!parked) {
      run.parking = undefined;
      this.#options.stage.wake(run);
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
      if (this.knows(id)) return this.#hinted(id);
      const { tenant } = stored.record;
      // No room: the store keeps it, and what came for it.
      if (this.#places.free(tenant) === 0) return this.leave(tenant);
      const come = this.#places.come(tenant);
      try {
        await this.#revive(id);
      } finally {
        come();
      }
    } catch {
      // Said where it was found; the sweep asks again where that can help.
    }
  }

  /** A run whose record does not open any more is set aside at once, or every sweep would meet it again. */
  async #readable<T>(id: RunId, reading: Promise<T>): Promise<T> {
    try {
      return await reading;
    } catch (error) {
      if (error instanceof CorralError && error.code === 'CORRAL_JOURNAL_DAMAGED') {
        await this.#options.store.quarantine(id, error.message);
        this.#events.onDamaged(id, error);
      }
      throw error;
    }
  }

  #revive(id: RunId): Promise<Run | undefined> {
    const underway = this.#reviving.get(id);
    if (underway !== undefined) return underway;
    const reviving = this.#bringBack(id).finally(() => {
      this.#reviving.delete(id);
      if (this.#reviving.size === 0) this.#revivingSince = undefined;
    });
    this.#revivingSince ??= this.#options.clock.monotonic();
    this.#reviving.set(id, reviving);
    return reviving;
  }

  async #bringBack(id: RunId): Promise<Run | undefined> {
    const { store, runs, clock } = this.#options;
    const claimed = await this.#readable(id, store.claim(id));
    if (claimed === undefined || claimed.status.lifecycle === 'ended') return undefined;
    let run: Run;
    try {
      run = await this.#options.revive(claimed);
      if ((claimed.attempts ?? 0) >= ATTEMPTS && isAboutToGo(run, clock.now())) {
        const message = `${claimed.attempts} hosts in a row died while ${id} was at work, and it has got no further. It is kept still until somebody has looked.`;
        throw new CorralError('CORRAL_INTERNAL', message);
      }
    } catch (error) {
      const reason =
        error instanceof CorralError
          ? error
          : new CorralError('CORRAL_JOURNAL_DAMAGED', `The journal of ${id} cannot be read: ${String(error)}.`);
      if (QUARANTINED.has(reason.code)) {
        await store.quarantine(id, reason.message);
        this.#events.onDamaged(id, reason);
      } else if (!(await this.#giveBack(id))) this.retry(id, reason);
      throw reason;
    }
    run.used(clock.monotonic());
    runs.set(id, run);
    // Before anybody gets hold of it, and before it cranks: what is under way from now on was not left behind by anyone.
    this.#events.onWoken(run);
    // What was delivered while the inbox was being read.
    if (await this.#refresh(run)) this.#events.onCaughtUp(run);
    return run;
  }

  /** It could not be read now: back into the store it goes, where the sweep finds it. */
  async #giveBack(id: RunId): Promise<boolean> {
    const { store } = this.#options;
    for (let tries = 0; tries < GIVE_BACK; tries++) {
      const stored = await store.run(id).catch(() => undefined);
      if (stored === undefined || (await store.park(id, stored.epoch, stored.inbox, undefined).catch(() => false))) return true;
    }
    return false;
  }

  /** Takes over what the store has for a run; false where the store cannot say. */
  async #refresh(run: Run): Promise<boolean> {
    const { store, stage, grants, runs } = this.#options;
    try {
      const inbox = await store.inbox(run.id, run.queue.lastInbox);
      // It has left memory meanwhile; whoever brings it back reads its inbox.
      if (runs.get(run.id) !== run) return false;
      const carried = inbox.flatMap(({ delivery }) => grantsIn(delivery)).filter((id) => grants.get(id) === undefined);
      // What they carry was made by a run that saw this one parked.
      if (carried.length > 0) addChain(grants, await store.grants(run.id), carried);
      for (const { seq, delivery } of inbox) if (run.outcome === undefined) run.queue.receive(delivery, seq);
    } catch {
      return false;
    }
    stage.wake(run);
    return true;
  }

  /** A run that has nothing to do leaves memory; if this host must remember something about it, at least its isolate goes. */
  async #leave(run: Run): Promise<void> {
    const idle = () => run.onCpu === undefined && !run.wants && !this.#options.stage.isBusy(run);
    if (!idle() || (await this.park(run))) return;
    if (idle() && run.parking === undefined) this.#options.stage.unseat(run);
  }

  /** Too many runs, or too much heap: the longest unused leave first, unless bringing them back is dear. */
  #relieve(): void {
    const { runs, limits, stage } = this.#options;
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
      stage.unseat(run);
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
    const { runs, stage } = this.#options;
    return [...runs.values()]
      .filter((run) => run.onCpu === undefined && !run.wants && !stage.isBusy(run))
      .sort((a, b) => a.worth - b.worth);
  }

  #isParkable(run: Run): boolean {
    const { broker, stage, runs } = this.#options;
    if (this.#closed || runs.get(run.id) !== run || run.parking !== undefined || run.outcome !== undefined) return false;
    // The grace of one that was asked to stop runs here, and is soon over.
    if (run.asked > 0 || run.ledger.cancelled !== undefined) return false;
    if (run.onCpu !== undefined || stage.isBusy(run) || broker.isCommitting(run.id) || run.doubted) return false;
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
    const { runs, stage, grants, clock, broker } = this.#options;
    const deadline = this.#deadline(run, clock.now());
    const due = Math.min(
      deadline ?? Number.POSITIVE_INFINITY,
      ...[...run.ledger.pending.values()].map((one) => dueOf(one) ?? Number.POSITIVE_INFINITY),
    );
    stage.unseat(run);
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

/**
 * Whether reviving the run sets something going within moments: a crank, a timer, or a call that has no answer yet and is made
 * again. What killed the hosts before may be any of these.
 */
function isAboutToGo(run: Run, now: number): boolean {
  if (run.runnable) return true;
  if (!run.isFree) return false;
  for (const pending of run.ledger.pending.values()) {
    if (pending.kind === 'timer' && pending.due <= now + 1_000) return true;
    if (pending.kind === 'call' && pending.state === 'going') return true;
  }
  return false;
}
