/** Checks a world that has come to rest: every run has ended, or waits for a good reason. */
import { lostWake } from './endings.ts';
import type { Known } from './known.ts';
import type { Oracle } from './oracle.ts';

/** Whether nothing is left that time alone will bring about. */
export function isAtRest(oracle: Oracle, live: readonly Known[]): boolean {
  const timers = (known: Known) => [...known.timers.values()].some(({ over }) => !over);
  // A child whose parent has ended may use the rest of its own grace period.
  const orphaned = (known: Known) => known.record.parent && oracle.runs.get(known.record.parent.run)?.outcome !== undefined;
  return live.every((known) => !timers(known) && !orphaned(known) && lostWake(oracle, known) === undefined);
}

/**
 * @param resumed when operators last resumed what was paused
 * @param waits whether callers at a host, by its number, still wait there
 * @param late_ms how long ago a run may have ended of which a caller has not been told yet
 */
export function judgeRest(
  oracle: Oracle,
  live: readonly Known[],
  resumed: number,
  waits: (host: number) => boolean,
  late_ms: number,
): void {
  for (const known of live) {
    // Detectors have paused it since the operators last looked.
    if (known.pausedAt !== undefined && known.pausedAt >= resumed) continue;
    const parent = known.record.parent && oracle.runs.get(known.record.parent.run);
    if (parent?.outcome !== undefined && !oracle.quarantined.has(known.record.id))
      oracle.broken(`8: ${known.record.id} lives on, and its parent has ended`);
    const why = lostWake(oracle, known);
    if (why !== undefined) oracle.broken(`7: ${known.record.id} (${known.record.agent}) does not go on: ${why}`);
  }
  for (const [run, host] of oracle.waiting)
    if (waits(host) && oracle.runs.get(run)?.outcome !== undefined && (oracle.runs.get(run)?.endedAt ?? 0) <= oracle.now() - late_ms)
      oracle.broken(`7: the caller that waits for ${run} was never told that it has ended`);
  for (const run of oracle.accepted) if (!oracle.runs.has(run)) oracle.broken(`7: ${run} was accepted and is nowhere`);
}
