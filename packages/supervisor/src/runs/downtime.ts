/** When no host was at work on a store: that time counts towards no ceiling. */
import type { Era } from '@corral/protocol/ports/store';

export class Absence {
  #gaps: readonly { readonly from: number; readonly until: number }[] = [];

  /** @param eras in order */
  learn(eras: readonly Era[]): void {
    this.#gaps = eras.slice(1).map((era, i) => ({ from: (eras[i] as Era).until, until: era.from }));
  }

  /** Milliseconds between two times in which no host was running. */
  since(from: number, until: number): number {
    let absent = 0;
    for (const gap of this.#gaps) absent += Math.max(0, Math.min(gap.until, until) - Math.max(gap.from, from));
    return absent;
  }
}
