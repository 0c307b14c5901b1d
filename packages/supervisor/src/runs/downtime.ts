/** Times in which no host was running on a store, or the one that held a run was dead. They count towards no ceiling of that run. */
import type { Downtime } from '@corral/protocol/ports/store';

export class Downtimes {
  #gaps: readonly Downtime[] = [];

  learn(gaps: readonly Downtime[]): void {
    this.#gaps = gaps;
  }

  /**
   * Milliseconds between two times in which no host was running, or a run was away; what is both counts once.
   * @param away of the run (see `StoredRun`)
   */
  between(from: number, until: number, away: readonly Downtime[] = []): number {
    let absent = this.#without(from, until);
    for (const gap of away) {
      const [start, end] = [Math.max(gap.from, from), Math.min(gap.until, until)];
      if (start < end) absent += Math.max(0, end - start - this.#without(start, end));
    }
    return absent;
  }

  #without(from: number, until: number): number {
    let absent = 0;
    for (const gap of this.#gaps) absent += Math.max(0, Math.min(gap.until, until) - Math.max(gap.from, from));
    return absent;
  }
}
