/** Wake-ups within one process: a hint reaches its handler within the call of `wake`. */
import type { RunId } from '@corral/protocol/ids';
import type { WakeUps } from '@corral/protocol/ports/machine';

export class InProcessWakeUps implements WakeUps {
  readonly trouble = undefined;
  #handler: Parameters<WakeUps['subscribe']>[0] | undefined;
  /** Runs whose handler is still at work, and whether another hint has come since it began. */
  readonly #active = new Map<RunId, boolean>();

  wake(run: RunId, at?: number): void {
    // Due times are not kept here, since they would grow with the number of parked runs. The sweep sets a timer for the first one in the
    // store.
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
