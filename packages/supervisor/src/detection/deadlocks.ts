/**
 * Finds runs that wait for each other for ever. A run is looked at when it begins to wait. Where one of the group is paused, or a parked run
 * could still write to it, nothing may tell this host when that is over, so the group is looked at again and again, less and less often.
 */
import type { Broker } from '@corral/broker/broker';
import type { Grants } from '@corral/policy/capability/grants';
import type { Finding } from '@corral/policy/detection/list';
import { Waits } from '@corral/policy/detection/waits';
import type { RunId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Store } from '@corral/protocol/ports/store';
import type { Residency } from '../runs/residency.ts';
import type { Run } from '../runs/run.ts';

export interface DeadlocksOptions {
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly store: Pick<Store, 'isShared'>;
  readonly broker: Pick<Broker, 'settled'>;
  readonly grants: Pick<Grants, 'writersTo'>;
  readonly runs: ReadonlyMap<RunId, Run>;
  readonly residency: Pick<Residency, 'hold'>;
}

/** A doubtful group is looked at again after this time, each time after twice as much, up to the longest. Milliseconds. */
const FIRST_MS = 1_000;
const LONGEST_MS = 600_000;
/** Doubtful groups that are looked at in one pass; each may bring runs back into memory. */
const AT_ONCE = 8;
/** Runs of a group, besides those of the cycle, that are brought into memory to see whether they still wait. */
const HELD = 64;

interface Doubt {
  readonly due: number;
  readonly wait_ms: number;
}

export class Deadlocks {
  readonly #options: DeadlocksOptions;
  readonly #onFound: (found: readonly Finding[]) => void;
  readonly #waits = new Waits();
  /** Runs that are being looked at. */
  readonly #looking = new Set<RunId>();
  /** Runs of groups that could be woken from outside when they were last looked at. */
  readonly #doubts = new Map<RunId, Doubt>();

  constructor(options: DeadlocksOptions, onFound: (found: readonly Finding[]) => void) {
    this.#options = options;
    this.#onFound = onFound;
  }

  /** The run can go on, or has ended. */
  goes(id: RunId): void {
    this.#waits.goes(id);
    this.#doubts.delete(id);
  }

  /** Called when a run may have begun to wait. */
  look(run: Run): void {
    if (this.#waitsFor(run) === undefined) return this.goes(run.id);
    if (this.#looking.has(run.id)) return;
    this.#looking.add(run.id);
    this.#decide(run).catch(() => this.#doubt(run.id));
  }

  /** Looks at doubtful groups again whose time has come. */
  lookAgain(): void {
    const now = this.#options.clock.monotonic();
    let left = AT_ONCE;
    for (const [id, { due }] of this.#doubts) {
      if (due > now || this.#looking.has(id)) continue;
      if (left === 0) return;
      left -= 1;
      this.#again(id).catch(() => this.#doubt(id));
    }
  }

  async #again(id: RunId): Promise<void> {
    // It is looked at also because it comes back.
    const run = await this.#options.residency.hold(id);
    if (run === undefined) this.goes(id);
    else this.look(run);
  }

  async #decide(run: Run): Promise<void> {
    const { id, ledger } = run;
    try {
      for (;;) {
        const { seq } = ledger;
        // The messages that it has just sent must have arrived first, since they wake other runs.
        await this.#options.broker.settled(id);
        if (ledger.seq !== seq) continue;
        const found = this.#found(run);
        if (found === undefined) return;
        const isSure = await this.#isSure(found);
        if (ledger.seq !== seq) continue;
        if (!isSure) this.#doubt(id);
        else if (this.#waitsFor(run) !== undefined) this.#onFound([found]);
        return;
      }
    } finally {
      this.#looking.delete(id);
    }
  }

  /** Records that the run waits. @returns the finding if that makes a deadlock; undefined if something can wake it */
  #found(run: Run): Finding | undefined {
    const on = this.#waitsFor(run);
    const [found] = on === undefined ? [] : this.#waits.waits(run.id, on, 'any');
    if (on === undefined) this.goes(run.id);
    else if (found === undefined) this.#doubts.delete(run.id);
    return found;
  }

  /**
   * Checks a finding. Runs of the group that were parked may have been woken meanwhile, also by another host, and a run that is not in the
   * group may be able to write to it: it may be parked, and then only the store knows of its capability.
   */
  async #isSure({ evidence }: Finding): Promise<boolean> {
    const { residency, store } = this.#options;
    const cycle = evidence.subjects as readonly RunId[];
    const group = new Map<RunId, Run>();
    for (const id of new Set([...cycle, ...(this.#waits.stuckWith(cycle[0] as string) as RunId[]).slice(0, HELD)])) {
      const run = await residency.hold(id);
      if (run === undefined) this.goes(id);
      else if (this.#waitsFor(run) !== undefined) group.set(id, run);
      else if (cycle.includes(id)) return false;
    }
    for (const id of cycle) {
      const ledger = group.get(id)?.ledger;
      const mailbox = ledger?.listening === true ? ledger.caps.get(0) : undefined;
      if (mailbox !== undefined && (await store.isShared(mailbox, [...group.keys()]))) return false;
    }
    for (const run of group.values()) this.#found(run);
    return cycle.every((id) => this.#waits.stuckWith(id).includes(id) && this.#options.runs.get(id) === group.get(id));
  }

  #doubt(id: RunId): void {
    const wait_ms = Math.min(2 * (this.#doubts.get(id)?.wait_ms ?? FIRST_MS / 2), LONGEST_MS);
    this.#doubts.set(id, { due: this.#options.clock.monotonic() + wait_ms, wait_ms });
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
    return on.length === 0 ? undefined : on;
  }
}
