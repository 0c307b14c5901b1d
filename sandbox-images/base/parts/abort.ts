/** AbortController and AbortSignal as the DOM standard has them, on the run's own timers. */
import { DOMException } from './dom-exception.ts';
import { dispatch, Event, EventTarget, handlerOf, ON_ABORT, setHandler } from './events.ts';
import { tag } from './tag.ts';

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
    /** Signals of `any` that follow this one, in the order in which they were made. */
    readonly #dependents = new Set<AbortSignal>();

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
    get onabort(): unknown {
      return handlerOf(this, 'abort');
    }
    set onabort(listener: unknown) {
      setHandler(this, 'abort', listener);
    }
    /** Done at the abort, before the listeners. */
    #first: (() => void)[] = [];
    [ON_ABORT](then: () => void): void {
      this.#first.push(then);
    }
    throwIfAborted(): void {
      if (this.#aborted) throw this.#reason;
    }
    /** All that follow it are aborted before any of them tells its listeners, and it tells its own first. */
    [fire](reason: unknown): void {
      if (this.#aborted) return;
      const signals = [this, ...this.#dependents].filter((signal) => !signal.#aborted);
      for (const signal of signals) {
        signal.#aborted = true;
        signal.#reason = reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason;
      }
      for (const signal of signals) {
        for (const then of signal.#first) then();
        signal.#first = [];
        dispatch(signal, new Event('abort'));
      }
    }

    static abort(reason?: unknown): AbortSignal {
      const signal = make();
      signal[fire](reason);
      return signal;
    }
    static timeout(...given: [ms?: unknown]): AbortSignal {
      if (given.length === 0 || given[0] === undefined) throw new TypeError('AbortSignal.timeout takes a number of milliseconds');
      const ms = Math.trunc(Number(given[0]));
      if (!(ms >= 0 && ms <= Number.MAX_SAFE_INTEGER))
        throw new RangeError(`AbortSignal.timeout takes a number of milliseconds from 0 on, not ${ms}`);
      const signal = make();
      timers.start(ms, () => signal[fire](new DOMException('The operation timed out.', 'TimeoutError')));
      return signal;
    }
    static any(signals: Iterable<AbortSignal>): AbortSignal {
      const sources = [...signals];
      for (const source of sources) if (!(source instanceof AbortSignal)) throw new TypeError('AbortSignal.any takes AbortSignals');
      const result = make();
      const aborted = sources.find((source) => source.#aborted);
      if (aborted === undefined) for (const source of sources) source.#lead(result);
      else result[fire](aborted.#reason);
      return result;
    }
    /** A dependent of a signal made by `any` depends directly on the sources of that signal. */
    #lead(follower: AbortSignal): void {
      this.#dependents.add(follower);
      for (const source of this.#sources) source.#dependents.add(follower);
      follower.#sources.add(this);
      for (const source of this.#sources) follower.#sources.add(source);
    }
    readonly #sources = new Set<AbortSignal>();
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
    readonly #signal = make();
    get signal(): AbortSignal {
      return this.#signal;
    }
    abort(reason?: unknown): void {
      this.#signal[fire](reason);
    }
  }
  /** For the prelude: a cancel that asks nothing of what an agent can replace. */
  const makeCancel = () => {
    const signal = make();
    return { signal, abort: (reason: unknown) => signal[fire](reason) };
  };
  return { makeCancel, AbortController: tag(AbortController, 'AbortController'), AbortSignal: tag(AbortSignal, 'AbortSignal') };
}
