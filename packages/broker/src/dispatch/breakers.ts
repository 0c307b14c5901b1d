/**
 * Circuit breakers on tools, one a tenant and tool: while a tool does not answer, calls to it are refused at once instead of
 * each waiting for its time-out, and a few are let through to see whether it is well again. An error that a tool answers with
 * is an answer; what counts against it is silence, loss, slowness and answers that break its own schema.
 */
import { admit, BREAKER_SETTINGS, CLOSED, settle, type Breaker } from '@corral/policy/detection/breaker';

export class Breakers {
  readonly #known = new Map<string, Breaker>();

  /** Whether a call may go out now. Where it may, `settle` or `forget` must follow. */
  admit(name: string, now: number): boolean {
    const before = this.#known.get(name);
    if (before === undefined) return true;
    const { allowed, breaker } = admit(before, now);
    this.#known.set(name, breaker);
    return allowed;
  }

  /** @param slow_ms from when on it was slow */
  settle(name: string, ok: boolean, took_ms: number, now: number, slow_ms: number): void {
    const before = this.#known.get(name);
    const after = settle(before ?? CLOSED, ok, took_ms, now, { ...BREAKER_SETTINGS, slow_ms });
    if (before !== undefined && after.state === 'closed' && after.failed === 0 && after.slow === 0) this.#known.delete(name);
    else if (before !== undefined || after.failed !== 0 || after.slow !== 0) this.#known.set(name, after);
  }

  /** The call was given up, which says nothing about its tool; if it was to try it, another one may. */
  forget(name: string): void {
    const breaker = this.#known.get(name);
    if (breaker?.state === 'half_open') this.#known.set(name, { ...breaker, trying: Math.max(breaker.well, breaker.trying - 1) });
  }

  /** The tools that are not called at the moment, as `tenant/tool`. */
  open(): string[] {
    return [...this.#known].filter(([, { state }]) => state !== 'closed').map(([name]) => name);
  }
}
