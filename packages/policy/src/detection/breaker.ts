/**
 * A circuit breaker for a tool or an agent, as a pure state machine (Nygard, Release It!): closed; open, while it rests; half open, while
 * a few calls test whether it works again.
 */

export interface BreakerSettings {
  /** Number of latest outcomes that count, at most 32. */
  readonly window: number;
  /** Minimum number of outcomes before it can open. */
  readonly least: number;
  /** It opens at this share of failed, or of slow, calls. */
  readonly failed: number;
  readonly slow: number;
  readonly slow_ms: number;
  /** Rest after it opened, in milliseconds; doubled each time it opens again, up to `rest_most_ms`. */
  readonly rest_ms: number;
  readonly rest_most_ms: number;
  /** Number of calls that are let through after the rest; all of them must succeed. */
  readonly tries: number;
}
export const BREAKER_SETTINGS: BreakerSettings = {
  window: 20,
  least: 8,
  failed: 0.5,
  slow: 0.8,
  slow_ms: 10_000,
  rest_ms: 5_000,
  rest_most_ms: 300_000,
  tries: 2,
};

export interface Breaker {
  readonly state: 'closed' | 'open' | 'half_open';
  /** The latest outcomes as bits, the latest in the lowest: 1 for failed (`failed`) or slow (`slow`). */
  readonly failed: number;
  readonly slow: number;
  readonly count: number;
  /** How often it opened since it was last closed. */
  readonly opened: number;
  readonly until: number;
  readonly trying: number;
  readonly well: number;
}
export const CLOSED: Breaker = { state: 'closed', failed: 0, slow: 0, count: 0, opened: 0, until: 0, trying: 0, well: 0 };

/** Whether a call may start at `at`, and the state after that. */
export function admit(
  breaker: Breaker,
  at: number,
  settings: BreakerSettings = BREAKER_SETTINGS,
): { readonly allowed: boolean; readonly breaker: Breaker } {
  if (breaker.state === 'closed') return { allowed: true, breaker };
  if (breaker.state === 'open' && at < breaker.until) return { allowed: false, breaker };
  const trying = breaker.state === 'open' ? 0 : breaker.trying;
  if (trying >= settings.tries) return { allowed: false, breaker };
  return {
    allowed: true,
    breaker: { ...breaker, state: 'half_open', trying: trying + 1, well: breaker.state === 'open' ? 0 : breaker.well },
  };
}

/** Records the outcome of a call that was let through. */
export function settle(breaker: Breaker, ok: boolean, took_ms: number, at: number, settings: BreakerSettings = BREAKER_SETTINGS): Breaker {
  if (breaker.state === 'open') return breaker;
  const slow = took_ms >= settings.slow_ms;
  if (breaker.state === 'half_open') {
    if (!ok || slow) return open(breaker, at, settings);
    return breaker.well + 1 >= settings.tries ? CLOSED : { ...breaker, well: breaker.well + 1 };
  }
  const mask = 2 ** settings.window - 1;
  const next: Breaker = {
    ...breaker,
    failed: ((breaker.failed << 1) | (ok ? 0 : 1)) & mask,
    slow: ((breaker.slow << 1) | (slow ? 1 : 0)) & mask,
    count: Math.min(settings.window, breaker.count + 1),
  };
  if (next.count < settings.least) return next;
  return ones(next.failed) >= settings.failed * next.count || ones(next.slow) >= settings.slow * next.count
    ? open(next, at, settings)
    : next;
}

/** How many of the latest outcomes there are, and how many of them failed. */
export const outcomesOf = ({ failed, count }: Breaker): { readonly failed: number; readonly count: number } => ({
  failed: ones(failed),
  count,
});

function open(breaker: Breaker, at: number, settings: BreakerSettings): Breaker {
  const rest = Math.min(settings.rest_most_ms, settings.rest_ms * 2 ** breaker.opened);
  return { ...CLOSED, state: 'open', opened: breaker.opened + 1, until: at + rest };
}

function ones(bits: number): number {
  let count = 0;
  for (let left = bits; left !== 0; left &= left - 1) count++;
  return count;
}
