/**
 * Watches cells from outside, by what the operating system says of them: a guest can make its cell ignore every timeout
 * inside, but not the SIGKILL that follows here. Also sees to it that cranks which compute for long leave a core free
 * (DESIGN 3.3, 3.16).
 */
import { MACHINE, type LimitName } from '@corral/protocol/limits';
import type { Clock } from '@corral/protocol/ports';
import type { Cell } from './cells/cell.ts';

export interface WatchOptions {
  readonly clock: Clock;
  readonly cells: () => Iterable<Cell>;
  /** Cranks that may compute at once. */
  readonly slots: number;
  /** Memory ceiling of the run on a cell's CPU. */
  readonly memory_mib: (cell: Cell) => number;
  readonly onExceeded: (cell: Cell, limit: LimitName, message: string) => void;
  /** A crank computes for so long that the other runs of its cell should not wait for it. */
  readonly onStuck: (cell: Cell) => void;
  /** A cell without work holds more memory than it should. */
  readonly onFull: (cell: Cell) => void;
  /** Now and then, whatever happens. */
  readonly onCalm: () => void;
}

/** How often it looks while something is on a CPU, and while nothing is. */
const TICK_MS = 5;
const CALM_MS = 250;
/** A replay may hold its cell for so many times its CPU limit: it may have to wait for others all the while. */
const REPLAY_PATIENCE = 5;
/** Turns of cranks that share a slot. */
const SLICE_MS = 60;

export class Watch {
  readonly #options: WatchOptions;
  #stop: (() => void) | undefined;
  #calm = true;
  #calmed = 0;
  #closed = false;
  /** Cells frozen until a slot is free, in turn. */
  readonly #waiting: Cell[] = [];
  /** Cells that compute, and since when in this slice. */
  readonly #computing = new Map<Cell, number>();
  /** Cells whose crank has used much of the CPU. Those that only waited for it are not to blame. */
  readonly #long = new Set<Cell>();

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#next();
  }

  /** Something begins: look again soon. */
  poke(): void {
    if (!this.#calm || this.#closed) return;
    this.#stop?.();
    this.#calm = false;
    this.#next();
  }

  close(): void {
    this.#closed = true;
    this.#stop?.();
  }

  #next(): void {
    this.#stop = this.#options.clock.after(this.#calm ? CALM_MS : TICK_MS, () => {
      this.#calm = true;
      for (const cell of this.#options.cells()) this.#look(cell);
      this.#share();
      const now = this.#options.clock.monotonic();
      if (now - this.#calmed >= CALM_MS) {
        this.#calmed = now;
        this.#options.onCalm();
      }
      if (!this.#closed) this.#next();
    });
  }

  #look(cell: Cell): void {
    const { task } = cell;
    if (task === undefined) {
      if (!cell.ready || cell.doomed) return;
      cell.look();
      if ((cell.idle?.rss_mib ?? 0) > MACHINE.cell_memory_mib.default) this.#options.onFull(cell);
      return;
    }
    this.#calm = false;
    if (cell.frozen || cell.doomed) return;
    const held = cell.held_ms();
    const meter = cell.meter();
    if (meter !== undefined) task.cpuBefore_ms ??= meter.cpu_ms;
    const used = meter === undefined ? held : meter.cpu_ms - (task.cpuBefore_ms ?? meter.cpu_ms);
    if (meter !== undefined) task.used_ms = used;
    // A replay computes no longer than the run once did; it gives way only when that turns out to be untrue.
    const long = task.kind === 'replay' ? MACHINE.replay_cpu_ms.default / 2 : MACHINE.long_crank_ms.default;
    if (used >= long) this.#long.add(cell);
    const most = task.limit_ms + MACHINE.crank_slack_ms.default;
    const memory = this.#options.memory_mib(cell);
    const grown = meter === undefined ? 0 : meter.rss_mib - (cell.idle?.rss_mib ?? FRESH_CELL_MIB);
    if (grown > memory + MACHINE.cell_rss_slack_mib.default) {
      this.#options.onExceeded(cell, 'memory', `The cell grew by ${Math.round(grown)} MiB during one crank; the run may have ${memory}.`);
    } else if (used > most) {
      this.#options.onExceeded(cell, 'cpu', `One crank used ${Math.round(used)} ms of CPU time; it may use ${task.limit_ms}.`);
    } else if (held > Math.max(MACHINE.crank_wall_ms.default, task.kind === 'replay' ? task.limit_ms * REPLAY_PATIENCE : 0)) {
      this.#options.onExceeded(cell, 'crank_wall', `One crank held its cell for ${Math.round(held)} ms.`);
    }
  }

  /** Hands the slots round among the cells that compute; the others stand still. */
  #share(): void {
    const { clock, cells, slots } = this.#options;
    const now = clock.monotonic();
    const alive = new Set(cells());
    for (const cell of this.#computing.keys()) {
      if (!alive.has(cell) || cell.doomed || cell.task === undefined || cell.frozen) this.#computing.delete(cell);
    }
    for (let i = this.#waiting.length - 1; i >= 0; i--) {
      const cell = this.#waiting[i] as Cell;
      if (!alive.has(cell) || cell.doomed || cell.paused || !cell.frozen) this.#waiting.splice(i, 1);
    }
    for (const cell of this.#long) {
      if (cell.task === undefined || cell.frozen || cell.doomed || this.#computing.has(cell)) continue;
      this.#computing.set(cell, now);
      // From here on it gives way to others, so nobody should wait behind it.
      cell.demote();
      if (!cell.stuck) {
        cell.stuck = true;
        this.#options.onStuck(cell);
      }
    }
    this.#long.clear();
    const free = () => slots - this.#computing.size;
    for (const [cell, since] of this.#computing) {
      const turnOver = this.#waiting.length > 0 && now - since > SLICE_MS;
      if ((free() < 0 || turnOver) && cell.freeze()) {
        this.#computing.delete(cell);
        this.#waiting.push(cell);
      }
    }
    while (free() > 0 && this.#waiting.length > 0) {
      const cell = this.#waiting.shift() as Cell;
      cell.thaw();
      this.#computing.set(cell, now);
    }
  }
}

/** What a cell with nothing in it holds, until it has been looked at. */
const FRESH_CELL_MIB = 60;
