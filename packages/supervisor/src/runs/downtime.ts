/** Times in which no host was running on a store. They count towards no ceiling. */
import type { Downtime } from '@corral/protocol/ports/store';

export class Downtimes {
  #gaps: readonly Downtime[] = [];

  learn(gaps: readonly Downtime[]): void {
    this.#gaps = gaps;
  }

  /** Milliseconds between two times in which no host was running. */
  between(from: number, until: number): number {
    let absent = 0;
    for (const gap of this.#gaps) absent += Math.max(0, Math.min(gap.until, until) - Math.max(gap.from, from));
    return absent;
  }
}
