/**
 * Counts for lists: what was refused to runs, and the calls that were carried out and whose agent was not told. The first of a run is written at
 * once, and those that follow it soon are written together: an agent may be refused thousands of things in a second.
 */
import type { RunIndex } from '@corral/protocol/ports/front';

const WHAT = ['refused', 'withheld'] as const;

export class Noted {
  readonly #index: Pick<RunIndex, 'noted'>;
  readonly #now: () => number;
  readonly #runs = new Map<string, { refused: number; withheld: number; at: number }>();

  constructor(index: Pick<RunIndex, 'noted'>, now: () => number) {
    this.#index = index;
    this.#now = now;
  }

  add(run: string, what: (typeof WHAT)[number], count: number): void {
    const noted = this.#runs.get(run);
    const at = this.#now();
    if (noted !== undefined) {
      noted[what] += count;
      noted.at = at;
      return;
    }
    this.#runs.set(run, { refused: 0, withheld: 0, [what]: count, at });
    this.write(run);
  }

  /** A run that its submitter has not listed yet has no row: that is written later. @throws CORRAL_DISK_FULL */
  write(run: string): void {
    const noted = this.#runs.get(run);
    if (noted === undefined) return;
    for (const what of WHAT) if (noted[what] > 0 && this.#index.noted(run, what, noted[what], noted.at)) noted[what] = 0;
  }

  /** Called periodically, and when the host stops. @throws CORRAL_DISK_FULL */
  writeAll(): void {
    for (const [run, { refused, withheld }] of this.#runs) {
      if (refused + withheld > 0) this.write(run);
      else this.#runs.delete(run);
    }
  }
}
