/**
 * Answers of calls that may not be repeated. If the crank that gets an answer is not handed to the store soon, the answer is written to
 * the store by itself, so that it survives a crash; nothing waits for that write. An answer stays in memory until a commit that contains
 * it is durable: if the store refuses the commit and this host resumes the run, the run gets the answer again.
 */
import type { Result } from '@corral/protocol/wire/delivery';
import type { RunId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Store } from '@corral/protocol/ports/store';

/** A run and the epoch of its lease. */
interface Owner {
  readonly id: RunId;
  readonly epoch: number;
}

interface Held {
  readonly owner: Owner;
  readonly result: Result;
  /** Monotonic time, in milliseconds. */
  readonly since: number;
  /** `waiting`: only in memory. `kept`: handed to the store. `taken`: part of a commit that was handed to the store. */
  stage: 'waiting' | 'kept' | 'taken';
  /** The store may have a row for it. */
  stored: boolean;
  /** The store has a row for it. */
  durable: boolean;
}

export class Answers {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #runs = new Map<RunId, Map<number, Held>>();
  /** Answers in order of arrival that may need a write of their own; some may have been taken since. */
  #queue: Held[] = [];
  #stopTimer: (() => void) | undefined;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Holds the answer of a call until its commit is durable. */
  hold(owner: Owner, result: Result): void {
    const held: Held = { owner, result, since: this.#clock.monotonic(), stage: 'waiting', stored: false, durable: false };
    this.#put(held);
    this.#queue.push(held);
    if (this.#stopTimer === undefined) this.#arm(MACHINE.answer_wait_ms.default);
  }

  has(run: RunId, id: number): boolean {
    return this.#runs.get(run)?.has(id) === true;
  }

  /** Whether the store has the answer of a call. */
  isKept(run: RunId, id: number): boolean {
    return this.#runs.get(run)?.get(id)?.durable === true;
  }

  /** Writes answers of a run to the store before the run leaves memory. Resolves when they are durable or were refused. */
  async keep(owner: Owner, results: readonly Result[]): Promise<void> {
    for (const result of results) if (!this.has(owner.id, result.id)) this.hold(owner, result);
    await this.#write([...(this.#runs.get(owner.id)?.values() ?? [])]);
  }

  /** Forgets the durable answers of a run that has left memory; `found` brings them back. */
  parked(run: RunId): void {
    this.settled(
      run,
      [...(this.#runs.get(run) ?? [])].flatMap(([id, { durable }]) => (durable ? [id] : [])),
    );
  }

  /** Takes the answers that the store has for a resumed run. @returns these, and those still in memory */
  found(owner: Owner, stored: readonly Result[]): readonly Result[] {
    const since = this.#clock.monotonic();
    for (const result of stored) this.#put({ owner, result, since, stage: 'kept', stored: true, durable: true });
    return [...(this.#runs.get(owner.id)?.values() ?? [])].map(({ result }) => result);
  }

  /**
   * Marks the answers of these calls as part of a commit.
   * @returns the ids whose answer may be in the store, so that the commit deletes those rows
   */
  taken(run: RunId, ids: readonly number[]): readonly number[] {
    const held = this.#runs.get(run);
    if (held === undefined) return [];
    return ids.filter((id) => {
      const answer = held.get(id);
      if (answer === undefined) return false;
      answer.stage = 'taken';
      return answer.stored;
    });
  }

  /**
   * The commit of a crank that got these answers was refused. Unless the store has them, they wait again, also those whose crank had begun
   * so soon that they were not held: they are written by themselves, when the run leaves memory, or when the host stops, whichever comes
   * first and finds space.
   */
  refused(owner: Owner, results: readonly Result[]): void {
    for (const result of results) {
      const held = this.#runs.get(owner.id)?.get(result.id);
      if (held === undefined) this.hold(owner, result);
      else if (held.stage === 'taken') {
        held.stage = held.durable ? 'kept' : 'waiting';
        if (!held.durable) this.#queue.unshift(held);
      }
    }
    if (this.#queue.length > 0 && this.#stopTimer === undefined) this.#arm(MACHINE.answer_wait_ms.default);
  }

  /** Forgets answers whose commit is durable. */
  settled(run: RunId, ids: readonly number[]): void {
    const held = this.#runs.get(run);
    if (held === undefined) return;
    for (const id of ids) held.delete(id);
    if (held.size === 0) this.#runs.delete(run);
  }

  /** Forgets all answers of a run that has ended or has another owner. */
  forget(run: RunId): void {
    this.#runs.delete(run);
  }

  /** Writes all waiting answers to the store. Resolves when they are durable or were refused. */
  async flush(): Promise<void> {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    this.#queue = [];
    await this.#write([...this.#runs.values()].flatMap((held) => [...held.values()]));
  }

  #arm(ms: number): void {
    this.#stopTimer = this.#clock.after(ms, () => this.#keepDue());
  }

  /**
   * Writes only answers that have waited long enough, so that an answer whose crank comes in time costs no write, even if many other runs
   * get answers meanwhile.
   */
  #keepDue(): void {
    const due = this.#clock.monotonic() - MACHINE.answer_wait_ms.default;
    const next = this.#queue.findIndex((held) => held.since > due && this.#isWaiting(held));
    const waited = this.#queue.splice(0, next < 0 ? this.#queue.length : next);
    this.#stopTimer = undefined;
    if (this.#queue[0] !== undefined) this.#arm(this.#queue[0].since - due);
    void this.#write(waited);
  }

  /** Whether it is only in memory and still needed. */
  #isWaiting(held: Held): boolean {
    return held.stage === 'waiting' && this.#runs.get(held.owner.id)?.get(held.result.id) === held;
  }

  /** Writes the waiting ones among `answers`. Resolves when these and all earlier writes have ended. */
  async #write(answers: readonly Held[]): Promise<void> {
    const waiting = answers.filter((held) => this.#isWaiting(held));
    const writes = [...Map.groupBy(waiting, ({ owner }) => owner).values()].map((those) => this.#writeOne(those));
    // A refused write loses nothing: the answers are still in memory, and the commit of their crank reports whether there is space.
    this.#writing = Promise.allSettled([this.#writing, ...writes]);
    await this.#writing;
  }

  async #writeOne(answers: readonly Held[]): Promise<void> {
    const [{ owner }] = answers as readonly [Held];
    for (const answer of answers) {
      answer.stage = 'kept';
      answer.stored = true;
    }
    try {
      await this.#store.keep(
        owner.id,
        owner.epoch,
        answers.map(({ result }) => result),
      );
      for (const answer of answers) answer.durable = true;
    } catch {
      // The write is repeated when the run leaves memory or the host stops.
      for (const answer of answers) if (answer.stage === 'kept') answer.stage = 'waiting';
    }
  }

  #put(held: Held): void {
    const { owner, result } = held;
    let those = this.#runs.get(owner.id);
    if (those === undefined) this.#runs.set(owner.id, (those = new Map()));
    those.set(result.id, held);
  }
}
