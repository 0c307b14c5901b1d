/**
 * Takes runs out of memory, so that they are kept only in the store: those that have been idle for long, and idle ones when memory or
 * places are short. Parking is a compare-and-set on the inbox (ARCHITECTURE.md, "Residence, parking and revival").
 */
import type { Broker } from '@corral/broker/broker';
import { dueOf } from '@corral/broker/ledger/requests';
import type { Grants } from '@corral/policy/capability/grants';
import type { TenantId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Store } from '@corral/protocol/ports/store';
import type { Scheduler } from '../cells/scheduler.ts';
import { lookAfter_ms } from './idle.ts';
import type { Membership } from './membership.ts';
import type { Places, RunTable } from './places.ts';
import type { Run } from './run.ts';

export interface ParkingOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly broker: Broker;
  readonly grants: Grants;
  readonly scheduler: Scheduler;
  readonly runs: RunTable;
  readonly places: Places;
  readonly limits: { readonly resident_mib: number };
  readonly membership: Membership;
  /** Whether the host stops, and keeps its runs as they are. */
  readonly closed: () => boolean;
  /** A run has left memory. @param due when it must be brought back; undefined: when something arrives for it */
  readonly asleep: (run: Run, due: number | undefined) => void;
  /** A tenant has no run in memory any more. */
  readonly vacant: (tenant: TenantId) => void;
}

/** Delay before runs are parked to make room, in milliseconds, and number of places that are made at least. */
const MAKE_MS = 5;
const ROOM_RUNS = 16;
/** Runs with more in memory are parked one after another, since each is copied once more as text when it is saved. */
const HEAVY_BYTES = 1024 * 1024;

export class Parking {
  readonly #options: ParkingOptions;
  #making = false;
  #lastHeavy: Promise<void> = Promise.resolve();

  constructor(options: ParkingOptions) {
    this.#options = options;
  }

  /** Parks all runs that have nothing to do. */
  async parkAll(): Promise<void> {
    await Promise.all([...this.#options.runs.values()].map((run) => this.leave(run)));
  }

  /**
   * Parks a run, if it has nothing to do or may not go on, and if no state would be lost.
   * @returns whether it is parked
   */
  async park(run: Run): Promise<boolean> {
    if (!this.#isParkable(run)) return false;
    if (this.#isAnswerMissing(run)) {
      await this.#options.broker.answers.keep(run, run.queue.unjournaled);
      // No `await` may stand between this check and the mark below, or the run could begin a crank in between.
      if (this.#isAnswerMissing(run) || !this.#isParkable(run)) return false;
    }
    let parked = false;
    const parking = async () => {
      const { store, clock, membership } = this.#options;
      const done = run.memory < HEAVY_BYTES ? undefined : await this.#heavy();
      try {
        if (done !== undefined && run.wants) return;
        const given = await store.park(
          run.id,
          { epoch: run.epoch, seq: run.ledger.seq, inbox: run.queue.lastInbox },
          this.#deadline(run, clock.now()),
          JSON.stringify(run.ledger.save(run.lastAt)),
          !run.isFree,
        );
        if (!given) return;
      } catch {
        // The store has no space now, or is closing: the run stays in memory.
        return;
      } finally {
        done?.();
      }
      // A timer fired or a message arrived meanwhile.
      if (run.wants) {
        // If it cannot be claimed back, it is parked; its deliveries are in the store, and the sweep finds it.
        const claimed = await store.claim(run.id, membership.node, clock.now()).catch(() => undefined);
        if (claimed !== undefined && !('holder' in claimed)) {
          run.reclaimed(claimed.epoch);
          return;
        }
      }
      // In the same synchronous step as the check of its queue, so that later deliveries find it gone.
      parked = true;
      this.#forget(run);
    };
    run.park(parking());
    await run.parking;
    // A run that was parked keeps the mark, so that parts that still refer to this object cannot start it again.
    if (!parked) {
      run.stay();
      this.#options.scheduler.wake(run);
    }
    return parked;
  }

  /** Parks an idle run. If it must stay in memory, at least its isolate is disposed of. */
  async leave(run: Run): Promise<void> {
    const idle = () => !run.isAtWork && !run.wants && !this.#options.scheduler.isBusy(run);
    if (!idle() || (await this.park(run))) return;
    if (idle() && run.parking === undefined) this.#options.scheduler.unseat(run);
  }

  /**
   * Makes room if there are too many runs or too much heap. Isolates made in advance go first, then those of runs of least `worth`:
   * unused for long, and cheap to replay.
   */
  relieve(): void {
    const { runs, limits, scheduler } = this.#options;
    if (this.#options.places.surplus > 0) this.makeRoom();
    let heap_kib = scheduler.spares.heap_kib;
    const of = new Map<TenantId, number>();
    for (const run of runs.values()) {
      if (run.seat === undefined) continue;
      heap_kib += run.heap_kib;
      of.set(run.tenant, (of.get(run.tenant) ?? 0) + run.heap_kib);
    }
    const most_kib = limits.resident_mib * 1024;
    if (heap_kib <= most_kib) return;
    heap_kib -= scheduler.spares.evictAll();
    if (heap_kib <= most_kib) return;
    for (const run of this.#idle()) {
      if (heap_kib <= most_kib * 0.9) return;
      // A tenant with less than an even share of the heap keeps its isolates.
      if (run.seat === undefined || (of.get(run.tenant) ?? 0) <= most_kib / of.size) continue;
      heap_kib -= run.heap_kib;
      of.set(run.tenant, (of.get(run.tenant) ?? 0) - run.heap_kib);
      scheduler.unseat(run);
    }
  }

  /** Parks some idle runs of tenants that have more than their share. Calls within MAKE_MS are merged. */
  makeRoom(): void {
    if (this.#making || this.#options.closed()) return;
    this.#making = true;
    this.#options.clock.after(MAKE_MS, () => {
      this.#making = false;
      const places = Math.max(this.#options.places.surplus, ROOM_RUNS);
      const idle = this.#idle().filter((run) => this.#options.places.isOver(run.tenant));
      for (const run of idle.slice(0, places)) void this.park(run);
    });
  }

  #idle(): Run[] {
    const { runs, scheduler } = this.#options;
    return [...runs.values()].filter((run) => !run.isAtWork && !run.wants && !scheduler.isBusy(run)).sort((a, b) => a.worth - b.worth);
  }

  /** Waits until the heavy runs before have been parked. @returns what lets the next one go */
  async #heavy(): Promise<() => void> {
    const before = this.#lastHeavy;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#lastHeavy = promise;
    await before;
    return resolve;
  }

  #isParkable(run: Run): boolean {
    const { broker, scheduler, runs } = this.#options;
    if (this.#options.closed() || runs.get(run.id) !== run || run.parking !== undefined || run.outcome !== undefined) return false;
    // The grace of a cancelled run is timed in memory, and is soon over.
    if (run.isAsked || run.ledger.cancelled !== undefined) return false;
    if (run.isAtWork || scheduler.isBusy(run) || broker.isCommitting(run.id)) return false;
    if (run.wants) return false;
    for (const pending of run.ledger.pending.values())
      if (pending.kind === 'inspection') return false;
      else if (pending.kind === 'call' && pending.state === 'going' && !run.queue.hasReply(pending.id)) return false;
    return true;
  }

  /** Whether the queue has answers that only this host knows. A held run may be parked only once the store has kept them. */
  #isAnswerMissing(run: Run): boolean {
    const { answers } = this.#options.broker;
    return run.queue.unjournaled.some(({ id }) => !answers.isKept(run.id, id));
  }

  /**
   * When it must be brought back, in milliseconds since 1970: at the end of its wall time, if that runs, or sooner to see whether it has stalled.
   */
  #deadline(run: Run, now: number): number | undefined {
    if (!run.isFree) return undefined;
    const wall = run.ledger.wall.runs ? run.wallLeft_ms(this.#options.clock.monotonic()) : Number.POSITIVE_INFINITY;
    const left_ms = Math.min(wall, lookAfter_ms(run, now) ?? Number.POSITIVE_INFINITY);
    return Number.isFinite(left_ms) ? Math.ceil(now + Math.max(1, left_ms)) : undefined;
  }

  #forget(run: Run): void {
    const { runs, scheduler, grants, clock, broker, asleep, vacant } = this.#options;
    const deadline = this.#deadline(run, clock.now());
    const due = Math.min(
      deadline ?? Number.POSITIVE_INFINITY,
      ...[...run.ledger.pending.values()].map((one) => dueOf(one) ?? Number.POSITIVE_INFINITY),
    );
    scheduler.unseat(run);
    runs.delete(run.id);
    for (const id of [...run.ledger.caps.values(), ...run.queue.unreceived]) grants.release(id);
    broker.answers.parked(run.id);
    asleep(run, run.isFree && Number.isFinite(due) ? due : undefined);
    for (const other of runs.values()) if (other.tenant === run.tenant) return;
    vacant(run.tenant);
  }
}
