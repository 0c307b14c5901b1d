/**
 * The CPU time of each frame. Asking the kernel costs about a quarter of a short crank, so this asks only once in a while, and
 * after frames that took long. The result is advisory: the supervisor measures from outside.
 */

/** The kernel counts CPU time in ticks; for shorter times the wall clock is more accurate. */
const TICKS_US = 10_000;
/** Frames between two questions to the kernel; in between, the wall clock's time counts as CPU time. */
const EVERY = 16;

export class CpuTime {
  #asked = process.threadCpuUsage();
  /** Time of the frames since then, by the wall clock. Microseconds. */
  #since_us = 0;
  #frames = 0;
  #began = 0;

  begin(): void {
    if (this.#frames >= EVERY) this.#ask();
    this.#frames += 1;
    this.#began = performance.now();
  }

  /** CPU time of the present frame. Microseconds. */
  used(): number {
    const wall_us = this.#wall_us();
    if (wall_us < TICKS_US) return wall_us;
    const { user, system } = process.threadCpuUsage(this.#asked);
    return Math.max(0, Math.min(user + system - this.#since_us, wall_us));
  }

  end(): void {
    const wall_us = this.#wall_us();
    if (wall_us < TICKS_US) this.#since_us += wall_us;
    else this.#ask();
  }

  #wall_us(): number {
    return Math.round((performance.now() - this.#began) * 1000);
  }

  #ask(): void {
    this.#asked = process.threadCpuUsage();
    this.#since_us = 0;
    this.#frames = 0;
  }
}
