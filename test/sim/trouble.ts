/** The faults of a world and what people do in it, at times that the seed decides, until the chaos is over. */
import type { Commit } from '@corral/protocol/ports/store';
import type { Cells } from './cells.ts';
import type { Dice } from './dice.ts';
import type { Disk } from './disk.ts';
import type { Operators } from './operators.ts';
import type { Temper } from './temper.ts';
import type { Timeline } from './timeline.ts';

export interface Troubled {
  readonly timeline: Timeline;
  readonly temper: Temper;
  readonly disk: Disk;
  readonly cells: Cells;
  readonly people: Operators;
  readonly dice: Dice;
  readonly stops: Dice;
  readonly kin: Dice;
  /** Decides when `configure` is called. */
  readonly configureBy: Dice;
  readonly isOver: () => boolean;
  /** The host dies. */
  readonly crash: () => void;
  /** The host is shut down properly. */
  readonly stop: () => void;
  /** The host parks all runs that can be parked. */
  readonly park: () => void;
  /** The host gets another configuration. */
  readonly configure: () => void;
}

/** Schedules all kinds of trouble. The order in which dice are forked and thrown is part of what a seed means. */
export function trouble(world: Troubled): void {
  const { timeline, temper, disk, cells, people, stops, kin, isOver, crash, configure } = world;
  const { crash_every_ms, strike_every_ms, operate_every_ms, park_every_ms, full_every_ms, slow_every_ms, stubborn_every_ms } = temper;
  const dice = world.dice.fork();
  const nowBy = (by: Dice, every_ms: number, what: () => void) => {
    if (!Number.isFinite(every_ms)) return;
    const next = () =>
      timeline.after(by.spread(every_ms / 5, every_ms * 2), () => {
        if (isOver()) return;
        what();
        next();
      });
    next();
  };
  const now = (every_ms: number, what: () => void) => nowBy(dice, every_ms, what);
  now(crash_every_ms, () => (dice.chance(0.85) ? crash() : world.stop()));
  now(strike_every_ms, () => cells.strike());
  now(operate_every_ms, () => people.operate(dice));
  now(park_every_ms, world.park);
  nowBy(stops, temper.families_every_ms, () => people.killFamily(stops));
  nowBy(stops, stubborn_every_ms, () => people.askToStop(stops));
  nowBy(stops, Number.isFinite(stubborn_every_ms) ? 2_000 : Number.POSITIVE_INFINITY, crash);
  nowBy(kin, temper.family_pauses_every_ms, () => people.pauseFamily(kin));
  nowBy(stops, temper.quarantine_every_ms, () => people.quarantine(stops));
  nowBy(world.configureBy, temper.configure_every_ms, configure);
  now(full_every_ms, () => {
    disk.full = true;
    timeline.after(dice.spread(5, 1_500), () => (disk.full = false));
  });
  now(slow_every_ms, () => {
    disk.slow = dice.spread(3, 100);
    timeline.after(dice.spread(20, 500), () => (disk.slow = 1));
  });
  parkOnWake(world);
}

/** Parks all runs that can be parked, just when something is sent to a run. */
function parkOnWake({ timeline, temper, disk, isOver, park, ...world }: Troubled): void {
  const dice = world.dice.fork();
  disk.onQueued = (op, args) => {
    if (isOver() || op !== 'commit' || (args[0] as Commit).outbox.length === 0 || !dice.chance(temper.parkOnWake)) return;
    timeline.after(dice.spread(0.01, 1), park);
  };
}
