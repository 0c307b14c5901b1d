/** Runs that have nothing to do and wait for nothing but a message. Whether they are stalled is looked at (stalled.ts). */
import type { Run } from './run.ts';

/** An idle run that is parked is brought back and looked at after this time at least: most are woken by a hint before. Milliseconds. */
const PARKED_MS = 600_000;

export function isIdle(run: Run): boolean {
  return (
    run.outcome === undefined &&
    run.control === 'none' &&
    run.ledger.held === undefined &&
    run.ledger.pending.size === 0 &&
    !run.hasWork &&
    !run.isAtWork &&
    // An instance of a service may wait for a message for ever.
    (run.ledger.record.service === undefined || run.ledger.asked.turn || !run.ledger.hasState)
  );
}

/** After what time a run that is parked now must be looked at; undefined if it is not idle. @param now in milliseconds since 1970 */
export function lookAfter_ms(run: Run, now: number): number | undefined {
  return isIdle(run) ? Math.max(PARKED_MS, now - run.lastAt) : undefined;
}
