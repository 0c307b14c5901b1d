/**
 * How a run comes back from the store: claimed, read, given what waits for it. One that cannot be read is set aside, so that a sweep
 * does not meet it again and again; one that cannot be read now goes back to the store.
 */
import type { Grants } from '@corral/policy/capability/grants';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Store, StoredRun } from '@corral/protocol/ports/store';
import type { RunTable } from './places.ts';
import { grantsIn } from './queue.ts';
import { addChain } from './revive.ts';
import type { Run } from './run.ts';
import { emitters } from '../events/signal.ts';
import type { Scheduler } from '../cells/scheduler.ts';
import type { ResidenceEvents, Transitions } from '../events/transitions.ts';

export interface RevivalOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly grants: Grants;
  readonly runs: RunTable;
  readonly scheduler: Pick<Scheduler, 'wake'>;
  /** Makes a run of what the store has. */
  readonly revive: (stored: StoredRun) => Promise<Run>;
  readonly transitions: Transitions;
}

/** Hosts that may die under a run that gets no further, before it is suspected of having killed them. */
const ATTEMPTS = 3;
const RETRY_MS = 1_000;
/** What no trying again would change. */
const QUARANTINED: ReadonlySet<string> = new Set(['CORRAL_JOURNAL_DAMAGED', 'CORRAL_AGENT_UNKNOWN', 'CORRAL_INTERNAL']);
/** Attempts at parking a run that messages keep arriving for. */
const GIVE_BACK = 5;

export class Revival {
  readonly #options: RevivalOptions;
  readonly #events: ResidenceEvents;
  readonly #reviving = new Map<RunId, Promise<Run | undefined>>();
  #since: number | undefined;
  #closed = false;

  constructor(options: RevivalOptions) {
    this.#options = options;
    this.#events = emitters(options.transitions.residency);
  }

  close(): void {
    this.#closed = true;
  }

  /** Since when somebody is being brought back. */
  get since(): number | undefined {
    return this.#since;
  }

  isUnderway(id: RunId): boolean {
    return this.#reviving.has(id);
  }

  /**
   * The run, in memory and not about to leave it; undefined when there is no such run, or it has ended.
   * @throws CORRAL_JOURNAL_DAMAGED and others, when it cannot be brought back
   */
  async hold(id: RunId): Promise<Run | undefined> {
    for (;;) {
      const run = this.#options.runs.get(id);
      if (run === undefined) {
        const revived = await this.revive(id);
        // Ended as it came back, by a fence: it will not be in memory however often it is brought there.
        if (revived === undefined || revived.outcome !== undefined) return revived;
      } else if (run.parking !== undefined) await run.parking;
      else {
        // It stays until whoever asked has had their turn.
        this.#options.clock.after(0, run.keep());
        return run;
      }
    }
  }

  /** A run is nobody's and could not be brought back, for want of space perhaps: it is tried again, for no sweep looks for it. */
  retry(id: RunId, error: unknown): void {
    if (this.#closed || !(error instanceof CorralError) || QUARANTINED.has(error.code)) return;
    this.#options.clock.after(RETRY_MS, () => void this.hold(id).catch((again) => this.retry(id, again)));
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

  /** Brings a run back, or waits for that if it is under way. @throws CORRAL_JOURNAL_DAMAGED and others */
  revive(id: RunId): Promise<Run | undefined> {
    const underway = this.#reviving.get(id);
    if (underway !== undefined) return underway;
    const reviving = this.#bringBack(id).finally(() => {
      this.#reviving.delete(id);
      if (this.#reviving.size === 0) this.#since = undefined;
    });
    this.#since ??= this.#options.clock.monotonic();
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
    if (await this.refresh(run)) this.#events.onCaughtUp(run);
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
  async refresh(run: Run): Promise<boolean> {
    const { store, scheduler, grants, runs } = this.#options;
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
    scheduler.wake(run);
    return true;
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
