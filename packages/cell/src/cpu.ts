/**
 * The CPU time that each frame takes. To ask the kernel for it costs about as much as a quarter of a short crank, so it is asked once in
 * a while, and about frames that took long. What is told here is advisory: the supervisor measures from outside.
 */

/** The kernel counts CPU time by the tick; what is shorter than a few of them is better told by the clock. */
const TICKS_US = 10_000;
/** Frames between two questions to the kernel: their CPU time is taken to be their time on the clock. */
const EVERY = 16;

export class CpuTime {
  #asked = process.threadCpuUsage();
  /** The frames since then, by the clock. */
  #since_us = 0;
  #frames = 0;
  #began = 0;

  begin(): void {
    if (this.#frames >= EVERY) this.#ask();
    this.#frames += 1;
    this.#began = performance.now();
  }

  /** Microseconds that the present frame has used. */
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
