/**
 * Watches cells from outside, by what the operating system says of them: a guest can make its cell ignore every timeout
 * inside, but not the SIGKILL that follows here. Also sees to it that cranks which compute for long leave a core free
 * (DESIGN 3.3, 3.16).
 */
import { MACHINE, type LimitName } from '@corral/protocol/limits';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Cell } from './cell.ts';
import type { Task } from './task.ts';

export interface WatchOptions {
  readonly clock: Clock;
  readonly cells: () => Iterable<Cell>;
  /** Cranks that may compute at once. */
  readonly slots: number;
  /** Resident memory a cell may hold. */
  readonly cell_memory_mib: number;
  /** Memory ceiling of a run in a cell. */
  readonly memory_mib: (cell: Cell, assignment: number) => number;
  readonly onExceeded: (cell: Cell, assignment: number, limit: LimitName, message: string) => void;
  /** A cell must go, and none of its runs is to blame. */
  readonly onRogue: (cell: Cell) => void;
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
/** How often in a row a cell without work is found at work before it is killed. */
const STRIKES = 4;
/** How long it takes to show whether parking idle runs has helped. */
const FULL_MS = 1_000;
/** Turns of cranks that share a slot. */
const SLICE_MS = 60;

export class CpuWatchdog {
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

  /** Tasks that seemed to exceed something, until they have been looked at once more. */
  readonly #doubted = new WeakMap<Cell, Task>();
  readonly #idle = new WeakMap<Cell, { readonly sent: number; readonly at: number; readonly cpu_ms: number; readonly strikes: number }>();
  readonly #full = new WeakMap<Cell, { readonly at: number; readonly rss_mib: number }>();

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
    if (!cell.ready || cell.doomed || cell.frozen) {
      if (cell.task !== undefined) this.#calm = false;
      return;
    }
    if (cell.task === undefined) {
      cell.look();
      this.#lookAtIdle(cell);
    } else {
      this.#calm = false;
      this.#lookAtTask(cell, cell.task);
    }
    if (cell.doomed) return;
    // No cell starts anything. Whoever runs there is not a guest any more, and its meter tells half of the story.
    if ((cell.task === undefined ? cell.idle : cell.meter())?.children === true) cell.disown('It started processes.');
    else this.#lookAtSize(cell);
  }

  #lookAtTask(cell: Cell, task: Task): void {
    const held = cell.held_ms();
    const meter = cell.meter();
    const { used_ms: used, grown_mib: grown } = meter === undefined ? { used_ms: held, grown_mib: 0 } : task.measure(meter, cell.idle);
    // A replay computes no longer than the run once did; it gives way only when that turns out to be untrue.
    const long = task.kind === 'replay' ? MACHINE.replay_cpu_ms.default / 2 : MACHINE.long_crank_ms.default;
    if (used >= long) this.#long.add(cell);
    const verdict = this.#judge(cell, task, used, held, grown);
    if (verdict === undefined) return;
    if (this.#doubted.get(cell) === task) {
      this.#options.onExceeded(cell, task.assignment, ...verdict);
      return;
    }
    // If this host was held up, the answer may lie unread in the socket, and another run be at work by now: read first.
    this.#doubted.set(cell, task);
    this.#options.clock.after(0, () => {
      if (!this.#closed && cell.task === task && !cell.doomed && !cell.frozen) this.#lookAtTask(cell, task);
    });
  }

  /** What a task exceeds, and in which words. */
  #judge(cell: Cell, task: Task, used: number, held: number, grown: number): readonly [LimitName, string] | undefined {
    const slack = MACHINE.cell_rss_slack_mib.default;
    const memory = this.#options.memory_mib(cell, task.assignment);
    if (grown > memory + slack)
      return ['memory', `The cell grew by ${Math.round(grown)} MiB during one crank; the run may have ${memory}.`];
    const kept = cell.growth.of(task.assignment) + grown;
    if (cell.precise && kept > memory + 2 * slack) return ['memory', ratchet(kept, memory)];
    if (used > task.limit_ms + MACHINE.crank_slack_ms.default)
      return ['cpu', `One crank used ${Math.round(used)} ms of CPU time; it may use ${task.limit_ms}.`];
    const wall = Math.max(MACHINE.crank_wall_ms.default, task.kind === 'replay' ? task.limit_ms * REPLAY_PATIENCE : 0);
    if (held > wall) return ['crank_wall', `One crank held its cell for ${Math.round(held)} ms.`];
    return undefined;
  }

  /** A cell that was asked for nothing does nothing: one that computes all the same is no longer ours. */
  #lookAtIdle(cell: Cell): void {
    const { idle, sent } = cell;
    const now = this.#options.clock.monotonic();
    const last = this.#idle.get(cell);
    if (idle === undefined) return;
    if (last === undefined || last.sent !== sent) {
      this.#idle.set(cell, { sent, at: now, cpu_ms: idle.cpu_ms, strikes: 0 });
      return;
    }
    if (now - last.at < CALM_MS * 0.8) return;
    const strikes = idle.cpu_ms - last.cpu_ms > (now - last.at) / 4 ? last.strikes + 1 : 0;
    this.#idle.set(cell, { sent, at: now, cpu_ms: idle.cpu_ms, strikes });
    if (strikes >= STRIKES) cell.disown('It computed though it had been asked for nothing.');
  }

  /** Whatever a cell holds, there is an end to it, at work or not. */
  #lookAtSize(cell: Cell): void {
    const { cell_memory_mib, clock } = this.#options;
    const rss_mib = cell.task === undefined ? cell.idle?.rss_mib : (cell.meter()?.rss_mib ?? cell.idle?.rss_mib);
    if (rss_mib === undefined) return;
    cell.sized(rss_mib, cell_memory_mib);
    const heaviest = cell.growth.heaviest();
    const memory = heaviest === undefined ? 0 : this.#options.memory_mib(cell, heaviest.assignment);
    if (heaviest !== undefined && heaviest.mib > memory + 2 * MACHINE.cell_rss_slack_mib.default) {
      this.#options.onExceeded(cell, heaviest.assignment, 'memory', ratchet(heaviest.mib, memory));
      return;
    }
    if (rss_mib <= cell_memory_mib) {
      this.#full.delete(cell);
      return;
    }
    const now = clock.monotonic();
    const full = this.#full.get(cell);
    if (full !== undefined && now - full.at < FULL_MS) return;
    if (full === undefined || rss_mib < full.rss_mib * 0.98) {
      this.#full.set(cell, { at: now, rss_mib });
      this.#options.onFull(cell);
    } else if (heaviest !== undefined && heaviest.mib > memory) {
      // Parking what was idle has not helped.
      const message = `The cell holds ${Math.round(rss_mib)} MiB, and ${Math.round(heaviest.mib)} of them came with the cranks of this run.`;
      this.#options.onExceeded(cell, heaviest.assignment, 'memory', message);
    } else this.#options.onRogue(cell);
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
      if (cell.becomeStuck()) this.#options.onStuck(cell);
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

const ratchet = (mib: number, memory: number): string =>
  `The cell grew by ${Math.round(mib)} MiB over the cranks of this run; it may have ${memory}.`;
