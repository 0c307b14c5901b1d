/** The real clock and the real randomness, for composition roots. */
import { randomFillSync } from 'node:crypto';
import type { Clock, Random } from '@corral/protocol/ports/machine';

/** The longest delay of the platform's timers; a longer wait is made of several. */
const LONGEST_MS = 2 ** 31 - 1;
/**
 * Asking the system for the CPU time of a thread takes microseconds, which is much for a small crank. For this long after a reading, the time
 * that has passed since stands in for it: the thread cannot have used more.
 */
const CPU_READ_MS = 0.5;
const cpu = { at: Number.NEGATIVE_INFINITY, read: 0, told: 0 };

export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  cpu() {
    const now = performance.now();
    if (now - cpu.at >= CPU_READ_MS) {
      const { user, system } = process.threadCpuUsage();
      [cpu.at, cpu.read] = [now, (user + system) / 1000];
    }
    return (cpu.told = Math.max(cpu.told, cpu.read + now - cpu.at));
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
