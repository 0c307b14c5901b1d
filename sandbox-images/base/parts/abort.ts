/** AbortController and AbortSignal as the DOM standard has them, on the run's own timers. */
import { DOMException } from './dom-exception.ts';
import { dispatch, Event, EventTarget, handlerOf, ON_ABORT, setHandler } from './events.ts';
import { tag } from './tag.ts';

/** Milliseconds that are left of a signal of `AbortSignal.timeout` which nobody observes; undefined for any other signal. */
export type TimeLeft = (signal: object) => number | undefined;

/** The part of the prelude's timers that is needed here. */
export interface PartTimers {
  start(ms: number, then: () => void): number;
}

/**
 * @param lazy whether the timer of a timeout begins when somebody observes its signal: a signal that only a request is given needs none,
 * because the call behind the request has a timeout of its own
 */
export function installAbort(timers: PartTimers, { now, lazy }: { readonly now: () => number; readonly lazy: boolean }) {
  const fire = Symbol('fire');
  let timeLeft: TimeLeft = () => undefined;
  const timedOut = () => new DOMException('The operation timed out.', 'TimeoutError');
  let making = false;

  class AbortSignal extends EventTarget {
    #aborted = false;
    #reason: unknown;
    /** When a timeout ends whose timer has not begun. */
    #deadline: number | undefined;
    /** Signals of `any` that follow this one, in the order in which they were made. */
    readonly #dependents = new Set<AbortSignal>();

    constructor() {
      super();
      if (!making) throw new TypeError('Illegal constructor');
    }
    get aborted(): boolean {
      this.#expire();
      return this.#aborted;
    }
    get reason(): unknown {
      this.#expire();
      return this.#reason;
    }
    get onabort(): unknown {
      return handlerOf(this, 'abort');
    }
    set onabort(listener: unknown) {
      this.#begin();
      setHandler(this, 'abort', listener);
    }
    override addEventListener(...given: Parameters<EventTarget['addEventListener']>): void {
      this.#begin();
      super.addEventListener(...given);
    }
    /** Begins the timer of a timeout. */
    #begin(): void {
      const deadline = this.#deadline;
      if (deadline === undefined) return;
      this.#deadline = undefined;
      timers.start(deadline - now(), () => this[fire](timedOut()));
    }
    #expire(): void {
      if (this.#deadline === undefined || now() < this.#deadline) return;
      this.#deadline = undefined;
      this[fire](timedOut());
    }
    /** Done at the abort, before the listeners. */
    #first: (() => void)[] = [];
    [ON_ABORT](then: () => void): void {
      this.#begin();
      this.#first.push(then);
    }
    throwIfAborted(): void {
      if (this.aborted) throw this.#reason;
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
      if (lazy) signal.#deadline = now() + ms;
      else timers.start(ms, () => signal[fire](timedOut()));
      return signal;
    }
    static {
      timeLeft = (signal) => (#deadline in signal && signal.#deadline !== undefined ? signal.#deadline - now() : undefined);
    }
    static any(signals: Iterable<AbortSignal>): AbortSignal {
      const sources = [...signals];
      for (const source of sources) if (!(source instanceof AbortSignal)) throw new TypeError('AbortSignal.any takes AbortSignals');
      const result = make();
      const aborted = sources.find((source) => source.aborted);
      if (aborted === undefined) for (const source of sources) source.#lead(result);
      else result[fire](aborted.#reason);
      return result;
    }
    /** A dependent of a signal made by `any` depends directly on the sources of that signal. */
    #lead(follower: AbortSignal): void {
      this.#begin();
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
  return { makeCancel, timeLeft, AbortController: tag(AbortController, 'AbortController'), AbortSignal: tag(AbortSignal, 'AbortSignal') };
}
