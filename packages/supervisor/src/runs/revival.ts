/**
 * Brings runs back from the store: claims and reads them, and fetches the deliveries that wait. A run that cannot be read is quarantined,
 * so that the sweep does not try it again and again; one that cannot be read at the moment is parked again.
 */
import type { Grants } from '@corral/policy/capability/grants';
import { CorralError } from '@corral/protocol/errors';
import type { GrantId, RunId, TenantId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';
import type { HeldElsewhere, RunRoom, Store, StoredRun } from '@corral/protocol/ports/store';
import type { Membership } from './membership.ts';
import type { RunTable } from './places.ts';
import { grantsIn } from './queue.ts';
import { addChain, addFollowed } from './revive.ts';
import type { Run } from './run.ts';
import { emitters } from '../events/signal.ts';
import type { Scheduler } from '../cells/scheduler.ts';
import type { ResidencyEvents, Transitions } from '../events/transitions.ts';

export interface RevivalOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly grants: Grants;
  readonly runs: RunTable;
  readonly membership: Membership;
  readonly scheduler: Pick<Scheduler, 'wake'>;
  /** Reads a claimed run into memory (revive.ts). */
  readonly revive: (stored: StoredRun) => Promise<Run>;
  readonly transitions: Transitions;
}

/** Number of hosts in a row that may die while a run makes no progress; then the run is suspected of having killed them. */
const ATTEMPTS = 3;
const RETRY_MS = 1_000;
/** Errors that another attempt would not change; the run is quarantined. */
const QUARANTINED: ReadonlySet<string> = new Set(['CORRAL_JOURNAL_DAMAGED', 'CORRAL_AGENT_UNKNOWN', 'CORRAL_INTERNAL']);
/** Attempts at parking a run for which messages keep arriving. */
const GIVE_BACK = 5;

/** A run that was claimed, with the function that brings it into memory. */
export interface TakenRun {
  readonly tenant: TenantId;
  readonly bring: () => Promise<void>;
}

export class Revival {
  readonly #options: RevivalOptions;
  readonly #events: ResidencyEvents;
  readonly #reviving = new Map<RunId, Promise<Run | undefined>>();
  /** For each `take` that the store has not answered yet: the runs that were asked for by `revive` since it began. */
  readonly #taking = new Set<Set<RunId>>();
  #since: number | undefined;
  #closed = false;

  constructor(options: RevivalOptions) {
    this.#options = options;
    this.#events = emitters(options.transitions.residency);
  }

  close(): void {
    this.#closed = true;
  }

  /** Since when runs are being brought back, without a time in which none was; undefined if none is. */
  get since(): number | undefined {
    return this.#since;
  }

  isUnderway(id: RunId): boolean {
    return this.#reviving.has(id);
  }

  /**
   * Returns a run that is in memory and stays there until the caller had its turn; brings it back if it is parked.
   * @returns undefined if there is no such run, or it has ended
   * @throws CORRAL_JOURNAL_DAMAGED and others, if it cannot be brought back
   */
  async hold(id: RunId): Promise<Run | undefined> {
    for (;;) {
      const run = this.#options.runs.get(id);
      if (run === undefined) {
        const revived = await this.revive(id);
        // A fence ended it as it came back, so trying again would not bring it into memory.
        if (revived === undefined || revived.outcome !== undefined) return revived;
      } else if (run.parking !== undefined) await run.parking;
      else {
        // It stays in memory until the caller has had its turn.
        this.#options.clock.after(0, run.keep());
        return run;
      }
    }
  }

  /**
   * Takes a run from the node that holds it, also if that is alive, and brings it back. A fence of this host ends it as it comes back, so
   * that nothing of it goes on here (lifecycle.ts).
   * @returns `run`: undefined if there is no such run, or it has ended; `from`: the living node that held it
   */
  async seize(id: RunId): Promise<{ readonly run: Run | undefined; readonly from?: HeldElsewhere | undefined }> {
    for (let underway = this.#reviving.get(id); underway !== undefined; underway = this.#reviving.get(id))
      await underway.catch(() => undefined);
    if (this.#options.runs.has(id)) return { run: this.#options.runs.get(id) };
    for (const asked of this.#taking) asked.add(id);
    const claiming = this.#claim(id, 'fence');
    const run = await this.#reviveBy(id, claiming, true);
    return { run, from: (await claiming)?.taken_from };
  }

  /** A run that this node holds could not be brought back, perhaps for lack of space. It is tried again here, since no sweep looks for it. */
  retry(id: RunId, error: unknown): void {
    if (this.#closed || !(error instanceof CorralError) || QUARANTINED.has(error.code) || error.code === 'CORRAL_RUN_HELD') return;
    this.#options.clock.after(RETRY_MS, () => void this.hold(id).catch((again) => this.retry(id, again)));
  }

  /** Quarantines a run whose record cannot be opened, or every sweep would try it again. */
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

  /** Brings a run back, or waits for that if it is under way. @throws CORRAL_JOURNAL_DAMAGED and others, if it cannot be brought back */
  revive(id: RunId): Promise<Run | undefined> {
    const underway = this.#reviving.get(id);
    if (underway !== undefined) return underway;
    for (const asked of this.#taking) asked.add(id);
    return this.#reviveBy(id, this.#claim(id));
  }

  /**
   * Claims runs that have something to do, as many as there is room for.
   * @returns the claimed runs, and the ids of runs whose record cannot be opened
   */
  async take(room: RunRoom): Promise<{ readonly taken: readonly TakenRun[]; readonly unreadable: readonly RunId[] }> {
    const { store, clock, membership } = this.#options;
    const asked = new Set<RunId>();
    this.#taking.add(asked);
    try {
      const { node } = membership;
      const { runs, unreadable } = await store.take(node, room, clock.now());
      const taken = runs.map((stored) => ({ tenant: stored.record.tenant, bring: () => this.#bring(stored, node, asked) }));
      return { taken, unreadable };
    } finally {
      this.#taking.delete(asked);
    }
  }

  /** Brings a run that `take` has claimed for a node into memory, unless another request has brought it there meanwhile by a later claim. */
  async #bring(stored: StoredRun, node: number, asked: ReadonlySet<RunId>): Promise<void> {
    const { runs } = this.#options;
    const { id } = stored.record;
    // This host may not have processed yet that it was parked before, or another request may be bringing it back.
    const before = runs.get(id)?.parking ?? this.#reviving.get(id)?.catch(() => undefined);
    await before;
    if (runs.has(id)) return;
    try {
      // After another request the claim may be out of date, so it is claimed again.
      await (before !== undefined || asked.has(id) ? this.revive(id) : this.#reviveBy(id, Promise.resolve(stored), false, node));
    } catch (error) {
      // The sweep does not find runs that this node holds, so this is the only retry.
      this.retry(id, error);
    }
  }

  /** @param ends whether a fence ends it as it comes back @param node for which it is claimed */
  #reviveBy(
    id: RunId,
    claiming: Promise<StoredRun | undefined>,
    ends = false,
    node = this.#options.membership.present,
  ): Promise<Run | undefined> {
    const reviving = this.#bringBack(id, claiming, ends, node).finally(() => {
      this.#reviving.delete(id);
      if (this.#reviving.size === 0) this.#since = undefined;
    });
    this.#since ??= this.#options.clock.monotonic();
    this.#reviving.set(id, reviving);
    return reviving;
  }

  /** Claims one run for this node. @throws CORRAL_RUN_HELD if another live node holds it, and it is not taken with `fence` */
  async #claim(id: RunId, steal?: 'fence'): Promise<StoredRun | undefined> {
    const { store, clock, membership } = this.#options;
    const claimed = await this.#readable(id, store.claim(id, membership.node, clock.now(), steal)).catch((error: unknown) => {
      // The error is a consequence: this node has left the store meanwhile.
      if (this.#closed) throw new CorralError('CORRAL_STOPPING', 'This host is shutting down.', { cause: error });
      throw error;
    });
    if (claimed !== undefined && 'holder' in claimed)
      throw new CorralError('CORRAL_RUN_HELD', `${id} is held by node ${claimed.name} (${claimed.holder}), which is alive.`);
    return claimed;
  }

  async #bringBack(id: RunId, claiming: Promise<StoredRun | undefined>, ends: boolean, node: number | undefined): Promise<Run | undefined> {
    const { store, runs, clock, grants, membership } = this.#options;
    const claimed = await claiming;
    if (claimed === undefined || claimed.status.lifecycle === 'ended') return undefined;
    let run: Run;
    try {
      run = await this.#options.revive(claimed);
      if (!ends && (claimed.attempts ?? 0) >= ATTEMPTS && isAboutToGo(run, clock.now())) {
        const message = `${claimed.attempts} hosts in a row died while ${id} was at work, and it made no progress. It stays under quarantine until a person has looked at it.`;
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
    // While it was read, this host may have lost its lease and joined again: then another node may hold the run.
    if (membership.present !== node) {
      for (const grant of [...run.ledger.caps.values(), ...run.queue.unreceived]) grants.release(grant);
      throw new CorralError('CORRAL_LEASE_LOST', `${id} was claimed by node ${node}, which has lost its lease since.`);
    }
    run.used(clock.monotonic());
    runs.set(id, run);
    // Before others can use the run and before its first crank: calls that are under way now were left behind by the last host, later ones
    // were not.
    this.#events.onWoken(run);
    // Fetches what arrived while the inbox was being read.
    if (await this.refresh(run)) this.#events.onCaughtUp(run);
    return run;
  }

  /** Parks a run that cannot be read at the moment, so that the sweep finds it. @returns whether it is parked, or gone */
  async #giveBack(id: RunId): Promise<boolean> {
    const { store } = this.#options;
    for (let tries = 0; tries < GIVE_BACK; tries++) {
      const stored = await store.run(id).catch(() => undefined);
      if (stored === undefined) return true;
      const { epoch, seq, inbox } = stored;
      if (await store.park(id, { epoch, seq, inbox }, undefined).catch(() => false)) return true;
    }
    return false;
  }

  /** Fetches new deliveries of a run from the store. @returns false if the store cannot answer, or the run has left memory */
  async refresh(run: Run): Promise<boolean> {
    const { store, scheduler, grants, runs, membership } = this.#options;
    const isHere = () => runs.get(run.id) === run;
    let added: readonly GrantId[] = [];
    try {
      const inbox = await store.inbox(run.id, run.queue.lastInbox);
      // It has left memory meanwhile; its inbox is read when it is brought back.
      if (!isHere()) return false;
      // The grants that they carry were made by a run while this one was parked, so they are not in memory yet; or by a run of another node,
      // and then an earlier attempt may have failed to read what was revoked of them.
      const carried = inbox
        .flatMap(({ delivery }) => grantsIn(delivery))
        .filter((id) => membership.isFleet || grants.get(id) === undefined);
      if (carried.length > 0) {
        const chain = await store.grants(run.id);
        added = carried.filter((id) => grants.get(id) === undefined);
        if (membership.isFleet) await addFollowed(store, grants, chain, carried);
        else addChain(grants, chain, carried);
        if (!isHere()) {
          // If it was brought back, it may hold them again.
          if (!runs.has(run.id)) for (const id of added) grants.release(id);
          return false;
        }
      }
      run.behind.do(() => {
        for (const { seq, delivery } of inbox) if (run.outcome === undefined) run.queue.receive(delivery, seq);
        if (added.length === 0) return;
        // It may have ended, or have received them and let go of them, while they were read. A grant that stayed would count for ever as one
        // by which somebody can still write.
        const held = new Set([
          ...run.ledger.caps.values(),
          ...run.queue.unreceived,
          ...(run.onCpu === undefined ? [] : grantsIn(run.onCpu.delivery)),
        ]);
        for (const id of added) if (!held.has(id)) grants.release(id);
      });
    } catch {
      return false;
    }
    scheduler.wake(run);
    return true;
  }
}

/**
 * Whether the run does something shortly after it comes back: a crank, a timer, or a call without an answer that is repeated. Any of these
 * may have killed the hosts before.
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
