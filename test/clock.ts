/** The real clock, which a test may put forward; what was set for the time in between then happens at once, the first due first. */
import type { Clock } from '@corral/protocol/ports/machine';
import { realClock } from '@corral/supervisor';

/**
 * A clock by which a crank may hold its cell ten times as long, for tests of what else ends it: on a busy machine a cell with a long crank
 * waits for the CPU most of the time, and would be ended for that.
 */
export const patientClock: Clock = { ...realClock, monotonic: () => realClock.monotonic() / 10 };

export interface MovableClock {
  readonly clock: Clock;
  /** @param last what is due last happens first, as on a host that was held up */
  readonly forward: (ms: number, last?: boolean) => void;
}

export function movableClock(): MovableClock {
  let ahead = 0;
  const later = new Set<{ readonly due: number; readonly happen: () => void; readonly stop: () => void }>();
  const monotonic = () => realClock.monotonic() + ahead;
  return {
    clock: {
      now: () => realClock.now() + ahead,
      monotonic,
      cpu: () => realClock.cpu?.() ?? 0,
      after(ms, then) {
        const happen = () => {
          if (later.delete(one)) then();
        };
        const one = { due: monotonic() + ms, happen, stop: realClock.after(ms, happen) };
        later.add(one);
        return () => {
          later.delete(one);
          one.stop();
        };
      },
    },
    forward(ms, last = false) {
      ahead += ms;
      const due = [...later].filter((one) => one.due <= monotonic()).sort((a, b) => (last ? b.due - a.due : a.due - b.due));
      for (const one of due) {
        one.stop();
        one.happen();
      }
    },
  };
}
