/**
 * Answers of calls that may not be repeated. Each goes to the store by itself unless the crank that is given it is handed over within
 * a moment, so that it survives its host; nobody waits for that write. An answer stays here until a commit that has it is durable:
 * where the store refuses that commit, and this host takes the run up again, the answer is given to the run once more.
 */
import type { Result } from '@corral/protocol/wire/delivery';
import type { RunId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Store } from '@corral/protocol/ports/store';

/** A run, as far as its lease matters. */
interface Owner {
  readonly id: RunId;
  readonly epoch: number;
}

interface Held {
  readonly owner: Owner;
  readonly result: Result;
  /** On the clock that never goes back. */
  readonly since: number;
  /** `waiting`: in memory alone. `kept`: handed to the store. `taken`: in a commit that was handed over. */
  stage: 'waiting' | 'kept' | 'taken';
  /** The store may have a row of it. */
  stored: boolean;
  /** It has one. */
  durable: boolean;
}

export class Answers {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #runs = new Map<RunId, Map<number, Held>>();
  /** What may have to be kept by itself, in the order in which it came, and what has been taken since. */
  #queue: Held[] = [];
  #stopTimer: (() => void) | undefined;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** A call of a run was answered, and the run is about to be given that. */
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

  /** Hands answers of a run to the store that it is to have before the run leaves memory. Resolves once it has them, or has refused. */
  async keep(owner: Owner, results: readonly Result[]): Promise<void> {
    for (const result of results) if (!this.has(owner.id, result.id)) this.hold(owner, result);
    await this.#write([...(this.#runs.get(owner.id)?.values() ?? [])]);
  }

  /** The run has left memory: what the store has of its answers comes back from there. */
  parked(run: RunId): void {
    this.settled(
      run,
      [...(this.#runs.get(run) ?? [])].flatMap(([id, { durable }]) => (durable ? [id] : [])),
    );
  }

  /** What the store kept of a run that was brought back, and what is still known here of an earlier hold of it. */
  found(owner: Owner, stored: readonly Result[]): readonly Result[] {
    const since = this.#clock.monotonic();
    for (const result of stored) this.#put({ owner, result, since, stage: 'kept', stored: true, durable: true });
    return [...(this.#runs.get(owner.id)?.values() ?? [])].map(({ result }) => result);
  }

  /**
   * A commit that settles these calls is about to be handed over.
   * @returns those of them that the store has an answer of, which the commit is to take out
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

  /** Takes note that the commit with these answers is durable. */
  settled(run: RunId, ids: readonly number[]): void {
    const held = this.#runs.get(run);
    if (held === undefined) return;
    for (const id of ids) held.delete(id);
    if (held.size === 0) this.#runs.delete(run);
  }

  /** The run has ended, or another owner holds it: its answers are nobody's. */
  forget(run: RunId): void {
    this.#runs.delete(run);
  }

  /** Hands all that waits to the store. Resolves once that is durable, or was refused. */
  async flush(): Promise<void> {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    this.#queue = [];
    await this.#write([...this.#runs.values()].flatMap((held) => [...held.values()]));
  }

  #arm(ms: number): void {
    this.#stopTimer = this.#clock.after(ms, () => this.#keepDue());
  }

  /** An answer whose crank comes in time costs no write of its own, however many other runs are answered meanwhile. */
  #keepDue(): void {
    const due = this.#clock.monotonic() - MACHINE.answer_wait_ms.default;
    const next = this.#queue.findIndex((held) => held.since > due && this.#isWaiting(held));
    const waited = this.#queue.splice(0, next < 0 ? this.#queue.length : next);
    this.#stopTimer = undefined;
    if (this.#queue[0] !== undefined) this.#arm(this.#queue[0].since - due);
    void this.#write(waited);
  }

  /** In memory alone, and of use still. */
  #isWaiting(held: Held): boolean {
    return held.stage === 'waiting' && this.#runs.get(held.owner.id)?.get(held.result.id) === held;
  }

  /** Hands over those of them that wait. Resolves once they and all that went before are durable, or were refused. */
  async #write(answers: readonly Held[]): Promise<void> {
    const waiting = answers.filter((held) => this.#isWaiting(held));
    const writes = [...Map.groupBy(waiting, ({ owner }) => owner).values()].map((those) => this.#writeOne(those));
    // A refusal loses nothing: each answer is still here, and its crank's commit will say whether there is room.
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
      // It is handed over again when the run wants to leave memory, or the host stops.
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
