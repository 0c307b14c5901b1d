/** The real clock and the real randomness, for composition roots. */
import { randomFillSync } from 'node:crypto';
import type { Clock, Random } from '@corral/protocol/ports/machine';

/** The longest delay of the platform's timers; a longer wait is made of several. */
const LONGEST_MS = 2 ** 31 - 1;

export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  cpu() {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  },
  after(ms, then) {
    let timer: NodeJS.Timeout;
    const wait = (left: number) => {
      timer = left > LONGEST_MS ? setTimeout(() => wait(left - LONGEST_MS), LONGEST_MS) : setTimeout(then, left);
    };
    wait(ms);
    return () => clearTimeout(timer);
  },
};

export const realRandom: Random = (n) => randomFillSync(new Uint8Array(n));
