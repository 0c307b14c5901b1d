/**
 * Calls whose tools have asked for input and wait for people. A tool that waits for the answer in memory is told by the signal of that attempt if
 * none will come. Its run may be parked meanwhile, and go on at another node, of which this host is told nothing: so each wait ends with the time
 * that people have at the latest.
 */
import type { RunId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';

interface Wait {
  readonly abort: AbortController;
  stopTimer: () => void;
}

export class InputRequests {
  readonly #clock: Pick<Clock, 'after'>;
  readonly #waiting = new Map<RunId, Map<number, Wait>>();

  constructor(clock: Pick<Clock, 'after'>) {
    this.#clock = clock;
  }

  /** @param abort of the attempt by which the tool has asked */
  hold(run: RunId, id: number, abort: AbortController): void {
    this.release(run, id);
    const calls = this.#waiting.get(run) ?? new Map<number, Wait>();
    this.#waiting.set(run, calls.set(id, { abort, stopTimer: () => undefined }));
  }

  /** People have this long to answer. Where nothing was heard of the call until then, nobody waits for it here. */
  endAfter(run: RunId, id: number, ms: number): void {
    const wait = this.#waiting.get(run)?.get(id);
    if (wait === undefined) return;
    wait.stopTimer();
    wait.stopTimer = this.#clock.after(ms, () => this.drop(run, id));
  }

  /** Whether the tool has asked this host. */
  has(run: RunId, id: number): boolean {
    return this.#waiting.get(run)?.has(id) === true;
  }

  /** The call goes on. */
  release(run: RunId, id: number): void {
    const calls = this.#waiting.get(run);
    calls?.get(id)?.stopTimer();
    if (calls?.delete(id) === true && calls.size === 0) this.#waiting.delete(run);
  }

  /** Nobody waits for the call any more. */
  drop(run: RunId, id: number): void {
    this.#waiting.get(run)?.get(id)?.abort.abort(new DOMException('Nobody waits for the call any more.', 'AbortError'));
    this.release(run, id);
  }

  /** The run has ended. */
  dropRun(run: RunId): void {
    for (const { abort, stopTimer } of this.#waiting.get(run)?.values() ?? []) {
      stopTimer();
      abort.abort(new DOMException('The run has ended.', 'AbortError'));
    }
    this.#waiting.delete(run);
  }

  /** This host is stopping. */
  dropAll(): void {
    for (const run of this.#waiting.keys()) this.dropRun(run);
  }
}
