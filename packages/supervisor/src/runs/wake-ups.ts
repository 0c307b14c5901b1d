/** Wake-ups within one process: a hint is handed over in the call that gives it. */
import type { RunId } from '@corral/protocol/ids';
import type { WakeUps } from '@corral/protocol/ports/machine';

export class InProcessWakeUps implements WakeUps {
  readonly trouble = undefined;
  #handler: Parameters<WakeUps['subscribe']>[0] | undefined;
  /** Runs whose handler has not come to its end, and whether another hint has come since. */
  readonly #active = new Map<RunId, boolean>();

  wake(run: RunId, at?: number): void {
    // The sweep of this process sets an alarm by the first due time in the store; to keep each one here would grow with parked runs.
    if (this.#handler === undefined || at !== undefined) return;
    if (this.#active.has(run)) this.#active.set(run, true);
    else this.#hand(run, this.#handler);
  }

  subscribe(handler: Parameters<WakeUps['subscribe']>[0]): void {
    this.#handler = handler;
  }

  close(): Promise<void> {
    this.#handler = undefined;
    return Promise.resolve();
  }

  #hand(run: RunId, handler: Parameters<WakeUps['subscribe']>[0]): void {
    let handled: Promise<unknown> | void;
    try {
      handled = handler(run);
    } catch {
      return;
    }
    if (handled === undefined) return;
    this.#active.set(run, false);
    void handled
      .catch(() => undefined)
      .then(() => {
        const again = this.#active.get(run) === true;
        this.#active.delete(run);
        if (again) this.wake(run);
        return undefined;
      });
  }
}
