/**
 * Calls whose tools have asked for input and wait for people. A tool that waits for the answer in memory is told by the signal of that attempt if
 * none will come.
 */
import type { RunId } from '@corral/protocol/ids';

export class InputRequests {
  readonly #waiting = new Map<RunId, Map<number, AbortController>>();

  /** @param abort of the attempt by which the tool has asked */
  hold(run: RunId, id: number, abort: AbortController): void {
    const calls = this.#waiting.get(run) ?? new Map<number, AbortController>();
    this.#waiting.set(run, calls.set(id, abort));
  }

  /** Whether the tool has asked this host. */
  has(run: RunId, id: number): boolean {
    return this.#waiting.get(run)?.has(id) === true;
  }

  /** The call goes on. */
  release(run: RunId, id: number): void {
    const calls = this.#waiting.get(run);
    if (calls?.delete(id) === true && calls.size === 0) this.#waiting.delete(run);
  }

  /** Nobody waits for the call any more. */
  drop(run: RunId, id: number): void {
    this.#waiting.get(run)?.get(id)?.abort(new DOMException('Nobody waits for the call any more.', 'AbortError'));
    this.release(run, id);
  }

  /** The run has ended. */
  dropRun(run: RunId): void {
    for (const abort of this.#waiting.get(run)?.values() ?? []) abort.abort(new DOMException('The run has ended.', 'AbortError'));
    this.#waiting.delete(run);
  }

  /** This host is stopping. */
  dropAll(): void {
    for (const run of this.#waiting.keys()) this.dropRun(run);
  }
}
