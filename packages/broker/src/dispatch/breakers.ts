/**
 * Circuit breakers, one for each tenant and tool. While a tool does not answer, calls to it are refused at once instead of each waiting
 * for its timeout, and a few are let through to test whether it works again. Timeouts, lost results, slow answers and answers that break
 * the tool's own schema count as failures; an error that the tool returns does not.
 */
import { admit, BREAKER_SETTINGS, CLOSED, outcomesOf, settle, type Breaker } from '@corral/policy/detection/breaker';

/** One call that a breaker let through, by the name of the breaker. */
export interface Passed {
  readonly name: string;
}

/** A breaker that is open or half open. Times are of the monotonic clock. */
export interface OpenBreaker {
  readonly tenant: string;
  readonly tool: string;
  readonly state: 'open' | 'half_open';
  /** When it opened first since it was last closed. */
  readonly since: number;
  /** When the next call is let through; in the past while it is half open. */
  readonly until: number;
  readonly why: string;
}

interface Known {
  readonly breaker: Breaker;
  readonly since: number;
  readonly why: string;
  /** Calls that were let through to test whether the tool works again. */
  readonly trials: ReadonlySet<Passed>;
}

export class Breakers {
  readonly #known = new Map<string, Known>();

  /** Lets a call start now, or not. If it may, the caller must call `settle` or `forget` later. */
  admit(name: string, now: number): Passed | undefined {
    const passed: Passed = { name };
    const before = this.#known.get(name);
    if (before === undefined) return passed;
    const { allowed, breaker } = admit(before.breaker, now);
    const isTrial = allowed && breaker.state === 'half_open';
    this.#known.set(name, { ...before, breaker, trials: isTrial ? before.trials.union(new Set([passed])) : before.trials });
    return allowed ? passed : undefined;
  }

  /**
   * Counts the outcome of a call. One that was let through before its breaker opened says nothing about the tool as it is now, and does not
   * count. @param slow_ms a call that took longer counts as slow
   */
  settle(passed: Passed, ok: boolean, took_ms: number, now: number, slow_ms: number): void {
    const { name } = passed;
    const before = this.#known.get(name);
    if (before?.breaker.state === 'half_open' && !before.trials.has(passed)) return;
    const after = settle(before?.breaker ?? CLOSED, ok, took_ms, now, { ...BREAKER_SETTINGS, slow_ms });
    const opens = after.state === 'open' && before?.breaker.state !== 'open';
    const about = {
      since: opens && before?.breaker.state !== 'half_open' ? now : (before?.since ?? now),
      why: opens ? whyOf(before?.breaker ?? CLOSED, ok) : (before?.why ?? ''),
    };
    const trials = after.state === 'half_open' && before !== undefined ? before.trials.difference(new Set([passed])) : new Set<Passed>();
    if (before !== undefined && after.state === 'closed' && after.failed === 0 && after.slow === 0) this.#known.delete(name);
    else if (before !== undefined || after.failed !== 0 || after.slow !== 0) this.#known.set(name, { ...about, breaker: after, trials });
  }

  /** Ends a call without an outcome, such as one that was given up. If it was a trial, another call may be let through instead. */
  forget(passed: Passed): void {
    const known = this.#known.get(passed.name);
    if (known === undefined || !known.trials.has(passed)) return;
    const { breaker, trials } = known;
    const trying = Math.max(breaker.well, breaker.trying - 1);
    this.#known.set(passed.name, { ...known, breaker: { ...breaker, trying }, trials: trials.difference(new Set([passed])) });
  }

  /** Breakers of tools that are not called at present, or called as a trial. */
  open(): OpenBreaker[] {
    return [...this.#known].flatMap(([name, { breaker, since, why }]) => {
      if (breaker.state === 'closed') return [];
      const [tenant = '', ...tool] = name.split(' ');
      return [{ tenant, tool: tool.join(' '), state: breaker.state, since, until: breaker.until, why }];
    });
  }
}

/** @param before the state before the outcome that opened it */
function whyOf(before: Breaker, ok: boolean): string {
  if (before.state === 'half_open') return `a call that tried it ${ok ? 'was slow' : 'got no answer'}`;
  const { failed, count } = outcomesOf(before);
  const misses = failed + (ok ? 0 : 1);
  const of = Math.min(BREAKER_SETTINGS.window, count + 1);
  return misses >= BREAKER_SETTINGS.failed * of
    ? `${misses} of its last ${of} calls got no answer that can be used`
    : `most of its last ${of} calls were slow`;
}
