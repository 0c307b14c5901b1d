/**
 * Circuit breakers, one for each tenant and tool. While a tool does not answer, calls to it are refused at once instead of each waiting
 * for its timeout, and a few are let through to test whether it works again. Timeouts, lost results, slow answers and answers that break
 * the tool's own schema count as failures; an error that the tool returns does not.
 */
import { admit, BREAKER_SETTINGS, CLOSED, settle, type Breaker } from '@corral/policy/detection/breaker';

export class Breakers {
  readonly #known = new Map<string, Breaker>();

  /** Whether a call may start now. If it may, the caller must call `settle` or `forget` later. */
  admit(name: string, now: number): boolean {
    const before = this.#known.get(name);
    if (before === undefined) return true;
    const { allowed, breaker } = admit(before, now);
    this.#known.set(name, breaker);
    return allowed;
  }

  /** @param slow_ms a call that took longer counts as slow */
  settle(name: string, ok: boolean, took_ms: number, now: number, slow_ms: number): void {
    const before = this.#known.get(name);
    const after = settle(before ?? CLOSED, ok, took_ms, now, { ...BREAKER_SETTINGS, slow_ms });
    if (before !== undefined && after.state === 'closed' && after.failed === 0 && after.slow === 0) this.#known.delete(name);
    else if (before !== undefined || after.failed !== 0 || after.slow !== 0) this.#known.set(name, after);
  }

  /** Ends a call without an outcome, such as one that was given up. A half-open breaker may let another call through instead. */
  forget(name: string): void {
    const breaker = this.#known.get(name);
    if (breaker?.state === 'half_open') this.#known.set(name, { ...breaker, trying: Math.max(breaker.well, breaker.trying - 1) });
  }

  /** The names of tools that are not called at present, as `tenant tool`. */
  open(): string[] {
    return [...this.#known].filter(([, { state }]) => state !== 'closed').map(([name]) => name);
  }
}
