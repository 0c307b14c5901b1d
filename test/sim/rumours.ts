/** Simulated wake-ups: hints may be lost, doubled or late, and the sweep must make up for each. */
import type { RunId } from '@corral/protocol/ids';
import type { Clock, WakeUps } from '@corral/protocol/ports/machine';
import { InProcessWakeUps } from '@corral/supervisor/runs/wake-ups';
import type { Dice } from './dice.ts';

/** Probabilities of what happens to a hint. */
export interface RumourTemper {
  readonly dropped: number;
  readonly doubled: number;
  readonly late: number;
}

export const FAITHFUL: RumourTemper = { dropped: 0, doubled: 0, late: 0 };

/** Range of the delay of late hints. */
const LATE_MS = [1, 5_000] as const;

export class Rumours implements WakeUps {
  readonly trouble = undefined;
  readonly #inner = new InProcessWakeUps();
  readonly #clock: Clock;
  readonly #dice: Dice;
  readonly #temper: () => RumourTemper;

  constructor(clock: Clock, dice: Dice, temper: () => RumourTemper) {
    this.#clock = clock;
    this.#dice = dice;
    this.#temper = temper;
  }

  wake(run: RunId, at?: number): void {
    const { dropped, doubled, late } = this.#temper();
    const dice = this.#dice;
    // Nothing is drawn for a probability of 0, so that worlds without lost hints stay the same for a seed.
    const happens = (odds: number) => odds > 0 && dice.chance(odds);
    if (happens(dropped)) return;
    for (let times = happens(doubled) ? 2 : 1; times > 0; times--) {
      if (happens(late)) this.#clock.after(dice.spread(...LATE_MS), () => this.#inner.wake(run, at));
      else this.#inner.wake(run, at);
    }
  }

  subscribe(handler: Parameters<WakeUps['subscribe']>[0]): void {
    this.#inner.subscribe(handler);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
