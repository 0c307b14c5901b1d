/** Feeds a journal to a fresh isolate and holds what comes out against what is recorded (DESIGN 3.5). */
import { REPLAY_FACTOR, type ReplayPayload } from '@corral/protocol/frame';
import { canonical } from '@corral/protocol/json';
import { Fault, type Session } from './session.ts';

const EXCERPT = 500;

/**
 * @param slack_us CPU time a crank may take beyond some times what it took; 0: whoever watches this process ends it
 * @throws Fault `diverged`, naming the first effect that differs, or what a crank itself can throw
 */
export function replay(session: Session, payload: ReplayPayload, slack_us: number): void {
  for (const { crank, delivery, effects: expected, cpu_us } of payload.cranks) {
    const seen = session.crank(delivery, slack_us === 0 ? 0 : cpu_us * REPLAY_FACTOR + slack_us);
    // Nearly always the same text; only a difference is worth the parsing.
    if (seen === expected) continue;
    const difference = firstDifference(JSON.parse(expected) as unknown[], JSON.parse(seen) as unknown[]);
    if (difference === undefined) continue;
    session.dispose();
    throw new Fault({
      fault: 'diverged',
      message: `Crank ${crank} replayed differently: expected ${difference.expected}, saw ${difference.seen}.`,
      crank,
      ...difference,
    });
  }
}

/** The first place where two batches differ as JSON values; "nothing" stands for an effect that is missing or too many. */
function firstDifference(expected: readonly unknown[], seen: readonly unknown[]): { expected: string; seen: string } | undefined {
  for (let i = 0; i < Math.max(expected.length, seen.length); i++) {
    const a = i < expected.length ? canonical(expected[i]) : 'nothing';
    const b = i < seen.length ? canonical(seen[i]) : 'nothing';
    if (a !== b) return { expected: a.slice(0, EXCERPT), seen: b.slice(0, EXCERPT) };
  }
  return undefined;
}
