/** Feeds a journal to a fresh isolate and holds what comes out against what is recorded (DESIGN 3.5). */
import { differenceText, firstDifferenceOf } from '@corral/protocol/difference';
import type { ReplayPayload } from '@corral/protocol/frame';
import { Fault, type Session } from './session.ts';

/**
 * @throws Fault `diverged`, naming the first effect that differs, or what a crank itself can throw
 */
export function replay(session: Session, payload: ReplayPayload): void {
  for (const { crank, delivery, effects: expected, cpu_us } of payload.cranks) {
    const seen = session.crank(delivery, cpu_us);
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
