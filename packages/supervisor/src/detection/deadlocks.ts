/**
 * Finds runs that wait for each other for ever. A group is looked at when one of it begins to wait, or when a run that could have woken one of
 * it has ended. Where that cannot decide, since another run could still write to it, or a run of it is not in memory and was never looked at,
 * nothing may tell this host when that is over: the group is looked at again and again, less and less often.
 */
import type { Broker } from '@corral/broker/broker';
import type { Grants } from '@corral/policy/capability/grants';
import type { Finding } from '@corral/policy/detection/list';
import { Waits } from '@corral/policy/detection/waits';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Store } from '@corral/protocol/ports/store';
import type { Residency } from '../runs/residency.ts';
import type { Run } from '../runs/run.ts';

export interface DeadlocksOptions {
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly store: Pick<Store, 'isShared'>;
  readonly broker: Pick<Broker, 'settled' | 'isCommitting'>;
  readonly grants: Pick<Grants, 'writersTo'>;
  readonly runs: ReadonlyMap<RunId, Run>;
  readonly residency: Pick<Residency, 'hold' | 'refresh'>;
}

/** A doubtful group is looked at again after this time, each time after twice as much, up to the longest. Milliseconds. */
const FIRST_MS = 1_000;
const LONGEST_MS = 600_000;
/** Doubtful groups that are looked at in one pass; each may bring runs back into memory. */
const AT_ONCE = 8;
/** Doubtful groups that are remembered. The others are looked at when one of them wakes. */
const DOUBTS = 4_096;
/** Runs of a group that are brought into memory to see whether they still wait. A larger group is left alone. */
const HELD = 256;

interface Doubt {
  readonly due: number;
  readonly wait_ms: number;
  /** Runs of which it is not known whether they wait. They are brought into memory for the next look. */
  readonly unknown: readonly RunId[];
}

export class Deadlocks {
  readonly #options: DeadlocksOptions;
  readonly #onFound: (found: readonly Finding[]) => void;
  readonly #waits = new Waits();
  /** Runs that are being looked at. */
  readonly #looking = new Set<RunId>();
  /** Runs of groups that could be woken from outside when they were last looked at. The one that was looked at last is the last. */
  readonly #doubts = new Map<RunId, Doubt>();

  constructor(options: DeadlocksOptions, onFound: (found: readonly Finding[]) => void) {
    this.#options = options;
    this.#onFound = onFound;
  }

  /** The run can go on. */
  goes(id: RunId): void {
    this.#waits.goes(id);
    this.#doubts.delete(id);
  }

  /** The run has ended: for those that waited for it too, it may have been the last that could wake them. */
  ended(id: RunId): void {
    this.goes(id);
    // They may be many, and a look goes through a whole group: some are looked at at a time.
    for (const waiter of this.#waits.waitersFor(id) as readonly RunId[]) this.#doubt(waiter);
  }

  /** Called when a run may have begun to wait. */
  look(run: Run): void {
    if (this.#waitsFor(run) === undefined) return this.goes(run.id);
    if (this.#looking.has(run.id)) return;
    this.#looking.add(run.id);
    this.#decide(run).catch((error: unknown) => this.#failed(run.id, error));
  }

  /** Looks at doubtful groups again whose time has come. */
  lookAgain(): void {
    const now = this.#options.clock.monotonic();
    let left = AT_ONCE;
    for (const [id, { due, wait_ms, unknown }] of this.#doubts) {
      if (due > now || this.#looking.has(id)) continue;
      if (left === 0) return;
      left -= 1;
      // It keeps its place until it has been looked at, which may take a while.
      this.#doubts.set(id, { due: now + wait_ms, wait_ms, unknown });
      this.#again(id, unknown).catch((error: unknown) => this.#failed(id, error));
    }
  }

  async #again(id: RunId, unknown: readonly RunId[]): Promise<void> {
    for (const other of unknown.slice(0, AT_ONCE)) {
      // One that another node holds may be told to this one later.
      const one = await this.#options.residency.hold(other).catch(() => undefined);
      if (one !== undefined) this.look(one);
    }
    // It is looked at also because it comes back.
    const run = await this.#options.residency.hold(id);
    if (run === undefined) this.goes(id);
    else this.look(run);
  }

  async #decide(run: Run): Promise<void> {
    const { broker, runs } = this.#options;
    const { id, ledger } = run;
    try {
      while (runs.get(id) === run) {
        const { seq } = ledger;
        // The messages that it has just sent must have arrived first, since they wake other runs.
        await broker.settled(id);
        if (ledger.seq !== seq) continue;
        const unknown = this.#record(run);
        const [found] = this.#waits.found(id);
        if (found === undefined) {
          if (unknown.length > 0 && this.#waits.isWaiting(id)) this.#doubt(id, unknown);
          else this.#doubts.delete(id);
          return;
        }
        const confirmed = await this.#confirmed(found);
        if (ledger.seq !== seq) continue;
        if (confirmed !== undefined) {
          this.#doubts.delete(id);
          this.#onFound([confirmed]);
        } else if (this.#waitsFor(run) !== undefined) this.#doubt(id);
        return;
      }
    } finally {
      this.#looking.delete(id);
    }
    // It was parked meanwhile, and has come back.
    const now = runs.get(id);
    if (now !== undefined) this.look(now);
  }

  /** Records that the run waits, and who else does now. @returns those that are not in memory and have not been looked at */
  #record(run: Run): readonly RunId[] {
    const seen = new Set([run.id]);
    const unknown: RunId[] = [];
    for (const id of seen) {
      const one = id === run.id ? run : this.#options.runs.get(id);
      // A parked run waits for the same as when it was in memory.
      if (one === undefined) {
        if (!this.#waits.isWaiting(id)) unknown.push(id);
        continue;
      }
      const on = this.#waitsFor(one);
      if (on === undefined) this.goes(id);
      else this.#waits.set(id, on, 'any');
      for (const other of on ?? []) seen.add(other);
    }
    return unknown;
  }

  /**
   * Checks a finding. Runs of the group that were parked may have been woken meanwhile, also by another host, and a run that is not in the
   * group may be able to write to it: it may be parked, and then only the store knows of its capability.
   * @returns what is found then; undefined if something may wake the group
   */
  async #confirmed({ evidence }: Finding): Promise<Finding | undefined> {
    const { residency, broker, runs } = this.#options;
    const [first] = evidence.subjects as readonly RunId[];
    const stuck = () => this.#waits.stuckWith(first as string) as readonly RunId[];
    const all = stuck();
    // Before parked runs are brought back: most groups that can be woken have a member in memory that says so.
    if (all.length > HELD || (await this.#isReached(all))) return undefined;
    const group = new Map<RunId, Run>();
    for (const id of all) {
      const run = await residency.hold(id);
      if (run === undefined) this.goes(id);
      if (run === undefined || !(await residency.refresh(run)) || this.#waitsFor(run) === undefined) return undefined;
      group.set(id, run);
    }
    for (const id of all) await broker.settled(id);
    if (await this.#isReached(all)) return undefined;
    const run = group.get(first as RunId);
    if (run !== undefined) this.#record(run);
    const [found] = this.#waits.found(first as string);
    const rests = (id: RunId) => group.has(id) && runs.get(id) === group.get(id) && !broker.isCommitting(id);
    return stuck().every(rests) ? found : undefined;
  }

  /** Whether a run besides these could write to one of them that listens and is in memory. */
  async #isReached(group: readonly RunId[]): Promise<boolean> {
    for (const id of group) {
      const ledger = this.#options.runs.get(id)?.ledger;
      const mailbox = ledger?.listening === true ? ledger.caps.get(0) : undefined;
      if (mailbox !== undefined && (await this.#options.store.isShared(mailbox, group))) return true;
    }
    return false;
  }

  #doubt(id: RunId, unknown: readonly RunId[] = []): void {
    const wait_ms = Math.min(2 * (this.#doubts.get(id)?.wait_ms ?? FIRST_MS / 2), LONGEST_MS);
    this.#doubts.delete(id);
    if (this.#doubts.size < DOUBTS) this.#doubts.set(id, { due: this.#options.clock.monotonic() + wait_ms, wait_ms, unknown });
  }

  /** A group could not be looked at. It is tried again, unless one of its runs cannot be read at all. */
  #failed(id: RunId, error: unknown): void {
    if (error instanceof CorralError && !error.retryable) this.goes(id);
    else this.#doubt(id);
  }

  /** Runs for which this run waits, each of which can wake it; undefined if something else can, such as a tool, a timer or a person. */
  #waitsFor(run: Run): RunId[] | undefined {
    const { ledger } = run;
    if (run.outcome !== undefined || run.control !== 'none' || run.hasWork || run.isAtWork) return undefined;
    if (ledger.held !== undefined || ledger.cancelled !== undefined || ledger.segment_entries === 0) return undefined;
    const on: RunId[] = [];
    for (const pending of ledger.pending.values()) {
      // Only the store knows which instance a message to a service reaches. Such a wait, or one with a timeout, does not count as a
      // deadlock.
      if (pending.kind === 'request' && pending.peer !== undefined && pending.due === undefined) on.push(pending.peer);
      else if (pending.kind === 'child') on.push(pending.run);
      else return undefined;
    }
    if (ledger.listening) on.push(...this.#options.grants.writersTo(run.id));
    if (on.length > 0) return on;
    // A parent that was parked while it waits may still write to it; whether it can, and nobody else, is asked of the store.
    const parent = ledger.listening ? ledger.record.parent?.run : undefined;
    return parent !== undefined && this.#waits.isWaiting(parent) ? [parent] : undefined;
  }
}
