/** Feeds a journal to a fresh isolate and holds what comes out against what is recorded (DESIGN 3.5). */
import { differenceText, firstDifferenceOf } from '@corral/protocol/difference';
import { REPLAY_FACTOR, type ReplayPayload } from '@corral/protocol/frame';
import { Fault, type Session } from './session.ts';

/**
 * @param slack_us CPU time a crank may take beyond some times what it took; 0: whoever watches this process ends it
 * @throws Fault `diverged`, naming the first effect that differs, or what a crank itself can throw
 */
export function replay(session: Session, payload: ReplayPayload, slack_us: number): void {
  for (const { crank, delivery, effects: expected, cpu_us } of payload.cranks) {
    const seen = session.crank(delivery, slack_us === 0 ? 0 : cpu_us * REPLAY_FACTOR + slack_us);
    // Nearly always the same text; only a difference is worth the parsing.
    const difference = firstDifferenceOf(expected, seen);
    if (difference === undefined) continue;
    session.dispose();
    throw new Fault({
      fault: 'diverged',
      message: `Crank ${crank} replayed differently: ${differenceText(difference)}.`,
      crank,
      ...difference,
    });
  }
}
