/** AbortController and AbortSignal as the DOM standard has them, on the run's own timers. */
import { Event, EventTarget } from 'event-target-shim';
import { DOMException } from './dom-exception.ts';

/** The part of the prelude's timers that is needed here. */
export interface PartTimers {
  start(ms: number, then: () => void): number;
}

export function installAbort(timers: PartTimers) {
  const fire = Symbol('fire');
  let making = false;

  class AbortSignal extends EventTarget {
    #aborted = false;
    #reason: unknown;
    onabort: ((event: unknown) => void) | null = null;

    constructor() {
      super();
      if (!making) throw new TypeError('Illegal constructor');
    }
    get aborted(): boolean {
      return this.#aborted;
    }
    get reason(): unknown {
      return this.#reason;
    }
    throwIfAborted(): void {
      if (this.#aborted) throw this.#reason;
    }
    [fire](reason: unknown): void {
      if (this.#aborted) return;
      this.#aborted = true;
      this.#reason = reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason;
      const event = new Event('abort');
      this.onabort?.call(this, event);
      this.dispatchEvent(event);
    }

    static abort(reason?: unknown): AbortSignal {
      const signal = make();
      signal[fire](reason);
      return signal;
    }
    static timeout(ms: number): AbortSignal {
      const signal = make();
      timers.start(ms, () => signal[fire](new DOMException('The operation timed out.', 'TimeoutError')));
      return signal;
    }
    static any(signals: Iterable<AbortSignal>): AbortSignal {
      const result = make();
      for (const signal of signals) {
        if (signal.aborted) {
          result[fire](signal.reason);
          break;
        }
        signal.addEventListener('abort', () => result[fire](signal.reason), { once: true });
      }
      return result;
    }
  }

  const make = (): AbortSignal => {
    making = true;
    try {
      return new AbortSignal();
    } finally {
      making = false;
    }
  };

  class AbortController {
    readonly signal = make();
    abort(reason?: unknown): void {
      this.signal[fire](reason);
    }
  }
  return { AbortController, AbortSignal };
}
