/**
 * Answers of calls that may not be repeated. Each goes to the store by itself unless the crank that is given it is handed over
 * first, so that it survives its host; nobody waits for that write. An answer stays here until a commit that has it is durable:
 * where the store refuses that commit, and this host takes the run up again, the answer is given to the run once more.
 */
import type { Result } from '@corral/protocol/delivery';
import type { RunId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import type { Clock } from '@corral/protocol/ports';
import type { Store } from '@corral/protocol/store';

/** A run, as far as its lease matters. */
interface Owner {
  readonly id: RunId;
  readonly epoch: number;
}

interface Held {
  readonly result: Result;
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
  readonly #waiting = new Map<RunId, Owner>();
  #stopTimer: (() => void) | undefined;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** A call of a run was answered, and the run is about to be given that. */
  hold(owner: Owner, result: Result): void {
    this.#put(owner.id, result, { stage: 'waiting', stored: false, durable: false });
    this.#waiting.set(owner.id, owner);
    this.#stopTimer ??= this.#clock.after(MACHINE.answer_wait_ms.default, () => void this.flush());
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
    this.#waiting.set(owner.id, owner);
    await this.flush();
  }

  /** The run has left memory: what the store has of its answers comes back from there. */
  parked(run: RunId): void {
    this.settled(
      run,
      [...(this.#runs.get(run) ?? [])].flatMap(([id, { durable }]) => (durable ? [id] : [])),
    );
  }

  /** What the store kept of a run that was brought back, and what is still known here of an earlier hold of it. */
  found(run: RunId, stored: readonly Result[]): readonly Result[] {
    for (const result of stored) this.#put(run, result, { stage: 'kept', stored: true, durable: true });
    return [...(this.#runs.get(run)?.values() ?? [])].map(({ result }) => result);
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
    this.#waiting.delete(run);
  }

  /** Hands what waits to the store. Resolves once that is durable, or was refused. */
  async flush(): Promise<void> {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    const owners = [...this.#waiting.values()];
    this.#waiting.clear();
    const writes = owners.map(({ id, epoch }) => {
      const waiting = [...(this.#runs.get(id)?.values() ?? [])].filter(({ stage }) => stage === 'waiting');
      for (const answer of waiting) {
        answer.stage = 'kept';
        answer.stored = true;
      }
      return waiting.length === 0 ? undefined : this.#write(id, epoch, waiting);
    });
    // A refusal loses nothing: each answer is still here, and its crank's commit will say whether there is room.
    this.#writing = Promise.allSettled([this.#writing, ...writes]);
    await this.#writing;
  }

  async #write(id: RunId, epoch: number, answers: readonly Held[]): Promise<void> {
    try {
      await this.#store.keep(
        id,
        epoch,
        answers.map(({ result }) => result),
      );
      for (const answer of answers) answer.durable = true;
    } catch {
      // It is handed over again when the run wants to leave memory.
      for (const answer of answers) if (answer.stage === 'kept') answer.stage = 'waiting';
    }
  }

  #put(run: RunId, result: Result, state: Omit<Held, 'result'>): void {
    let held = this.#runs.get(run);
    if (held === undefined) this.#runs.set(run, (held = new Map()));
    held.set(result.id, { result, ...state });
  }
}
