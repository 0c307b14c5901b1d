/** Feeds a journal to a fresh isolate and compares its effects with the recorded ones (ARCHITECTURE.md, "Replay"). */
import { differenceText, firstDifferenceOf } from '@corral/protocol/wire/difference';
import { REPLAY_FACTOR, type ReplayPayload } from '@corral/protocol/wire/frame';
import { Fault, type Session } from './session.ts';

/**
 * @param slack_us added to a multiple of a crank's recorded CPU time to give its limit, in microseconds; 0: no limit here, the
 * supervisor ends the process
 * @throws Fault `diverged`, naming the first effect that differs, or a fault of the crank itself
 */
export function replay(session: Session, payload: ReplayPayload, slack_us: number): void {
  for (const { crank, delivery, effects: expected, cpu_us } of payload.cranks) {
    const seen = session.crank(delivery, slack_us === 0 ? 0 : cpu_us * REPLAY_FACTOR + slack_us);
    // The texts are nearly always equal; they are parsed only if they differ.
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
