/** The parts of a simulated world that a host has for itself: its port to the disk, its cells and its clock. */
import type { RunId } from '@corral/protocol/ids';
import type { Delivery } from '@corral/protocol/wire/delivery';
import type { NodeOptions } from '@corral/supervisor/runs/membership';
import { Cells } from './cells.ts';
import type { Dice } from './dice.ts';
import { Disk } from './disk.ts';
import type { KnownNodes } from './nodes.ts';
import type { Oracle } from './oracle.ts';
import type { Temper } from './temper.ts';
import type { Timeline } from './timeline.ts';

/** One host has these after the other. */
export interface Seat {
  readonly disk: Disk;
  readonly cells: Cells;
  /** Undefined: the only host of the store. */
  readonly node: NodeOptions | undefined;
  readonly skew_ms: number;
}

/** The parts of the world that all hosts share. */
export interface Parts {
  readonly timeline: Timeline;
  readonly oracle: Oracle;
  readonly nodes: KnownNodes;
  readonly temper: Temper;
  /** Says something if somebody listens. */
  readonly say: (what: () => string) => void;
  /** A write took effect. */
  readonly written: (seat: Seat, op: string, args: readonly unknown[], value: unknown) => void;
}

export const short = (value: unknown): string =>
  (JSON.stringify(value, (_, one: unknown) => (one instanceof Map ? [...one] : one)) ?? 'nothing').slice(0, 900);

export function cellsOf({ oracle, timeline, nodes, temper, say }: Parts, dice: Dice, seat: () => Seat): Cells {
  // A host that does not know yet that it counts as dead goes on with its runs; nothing of that is stored or sent.
  const isStale = (run: string) => {
    const { node } = seat().disk;
    return temper.supervisors > 1 && (nodes.holderOf(run as RunId) !== node || !nodes.isAlive(node));
  };
  const observer = {
    cranking: (run: string, delivery: Delivery, text: string) => {
      say(() => `cell of node ${seat().disk.node} cranks ${run} ${text}`);
      if (!isStale(run)) oracle.cranking(run as RunId, delivery);
      // Its lease is over, and it may get another one without losing the run: then its crank counts.
      else if (nodes.holderOf(run as RunId) === seat().disk.node) oracle.crankingLate(run as RunId, delivery);
    },
    dying: (runs: readonly string[]) => {
      say(() => `cell dies under ${runs.join(' ')}`);
      oracle.dying(runs);
    },
    excused: (run: string, why: string) => oracle.excuse(run, why),
    broken: (what: string) => {
      const [run] = /run_\w+/.exec(what) ?? [];
      if (run === undefined || !isStale(run)) oracle.broken(what);
    },
  };
  // If many cells may fail to start in a row, most do.
  const { cells, stillbirths } = temper;
  return new Cells(timeline, dice, observer, { ...cells, stillbirths, ...(stillbirths > 2 ? { stillborn: 0.8 } : {}) });
}

/** @param beside a port to the same tables, if there is one */
export function diskOf({ oracle, timeline, nodes, temper, say, written }: Parts, dice: Dice, seat: () => Seat, beside?: Disk): Disk {
  const before = (op: string, args: readonly unknown[]) => {
    const after = oracle.before(op, args);
    return (value: unknown) => {
      if (op !== 'beat') say(() => `disk ${op} ${short(args)} -> ${short(value)}`);
      nodes.took(op, args, value, seat().disk.joined);
      after(value);
      written(seat(), op, args, value);
    };
  };
  return new Disk(timeline, dice, { before, broken: (what) => oracle.broken(what) }, temper.disk, beside);
}
