/**
 * Watches cells from outside, by the operating system's measurements: a guest can make its cell ignore every timeout inside, but not the
 * SIGKILL that follows here. It also limits how many long cranks compute at once, so that they leave a core free (ARCHITECTURE.md,
 * "Metering from outside").
 */
import { MACHINE, type LimitName } from '@corral/protocol/limits';
import type { Clock, ProcessMeter } from '@corral/protocol/ports/machine';
import type { Cell } from './cell.ts';
import { HELP, IdleWatch } from './idle-watch.ts';
import type { Measured, Task } from './task.ts';

export interface WatchOptions {
  readonly clock: Clock;
  readonly cells: () => Iterable<Cell>;
  /** Long cranks that may compute at once. */
  readonly slots: number;
  /** Maximum resident memory of a cell. */
  readonly cell_memory_mib: number;
  /** Memory ceiling of a run in a cell. */
  readonly memory_mib: (cell: Cell, assignment: number) => number;
  readonly onExceeded: (cell: Cell, assignment: number, limit: LimitName, message: string) => void;
  /** A cell must be killed, and none of its runs is to blame. */
  readonly onRogue: (cell: Cell) => void;
  /** A crank computes for so long that the other runs of its cell should go on in other cells. */
  readonly onStuck: (cell: Cell) => void;
  /** A cell holds more memory than it should; runs that have nothing to do can be removed from it. */
  readonly onFull: (cell: Cell) => void;
  /** Called every CALM_MS, for periodic checks of other parts. */
  readonly onCalm: () => void;
}

/** Time between two checks while a cell has work, and while none has. Milliseconds. */
const TICK_MS = 5;
const CALM_MS = 250;
/** A replay may hold its cell for this multiple of its CPU limit, because it may have to wait for the CPU meanwhile. */
const REPLAY_PATIENCE = 5;
/** Time after which it shows whether removing idle runs has freed memory. Milliseconds. */
const FULL_MS = 1_000;
/** Time slice of a long crank while others wait for a slot. Milliseconds. */
const SLICE_MS = 60;

export class CpuWatchdog {
  readonly #options: WatchOptions;
  #stop: (() => void) | undefined;
  #calm = true;
  #calmed = 0;
  #closed = false;
  /** Cells that are frozen until a slot is free, in order of arrival. */
  readonly #waiting: Cell[] = [];
  /** Cells that have a slot, with the start of their time slice. */
  readonly #computing = new Map<Cell, number>();
  /** Cells whose crank has used much CPU time. Cells that held their crank long because they waited for the CPU are not among them. */
  readonly #long = new Set<Cell>();

  /** Tasks that seemed to exceed a limit, until they are checked a second time. */
  readonly #doubted = new WeakMap<Cell, Task>();
  readonly #idle = new IdleWatch();
  readonly #full = new WeakMap<Cell, { readonly at: number; readonly rss_mib: number }>();

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#next();
  }

  /** Called when a cell gets work: checks become frequent. */
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
    if (!cell.ready || cell.killed || cell.frozen) {
      if (cell.task !== undefined) this.#calm = false;
      return;
    }
    const { task } = cell;
    if (task === undefined) cell.look();
    // The process is measured once in a look.
    const meter = task === undefined ? cell.idle : cell.meter();
    if (task === undefined) this.#lookAtIdle(cell);
    else {
      this.#calm = false;
      this.#lookAtTask(cell, task, meter);
    }
    if (cell.killed) return;
    const beside = meter === undefined ? undefined : this.#idle.beside(cell, meter);
    // No cell starts processes. A child process means that the guest has broken out of its isolate, and the meter does not count the child.
    if (meter?.children === true) cell.killAsUntrusted('It started processes.');
    else if (beside !== undefined) cell.killAsUntrusted(beside);
    else this.#lookAtSize(cell, meter ?? cell.idle);
  }

  #lookAtTask(cell: Cell, task: Task, meter: ProcessMeter | undefined): void {
    const held = cell.held_ms();
    // Without measurements, the time for which the task has held its cell counts. The end of a process whose exit is being reported does not.
    const none: Measured = { used_ms: cell.metered ? (task.used_ms ?? 0) : held, beside_ms: 0, grown_mib: 0 };
    const measured = meter === undefined ? none : task.measure(meter, cell.idle);
    const { used_ms: used } = measured;
    // A replay normally takes no longer than the original cranks did, and a load in advance than the one before, so they count as long only
    // once they exceed that by much.
    const long = task.kind === 'replay' || task.kind === 'spare' ? MACHINE.replay_cpu_ms.default / 2 : MACHINE.long_crank_ms.default;
    // Nobody waits for its answer: its run was moved elsewhere before it had begun here, and the cell would be of no use until its end.
    if (used >= long && task.void) return this.#options.onRogue(cell);
    if (used >= long) this.#long.add(cell);
    const verdict = this.#judge(cell, task, measured, held);
    if (verdict === undefined) return;
    if (this.#doubted.get(cell) === task) {
      this.#options.onExceeded(cell, task.assignment, ...verdict);
      return;
    }
    // If this host was delayed, the cell's answer may be unread in the socket, and another run may be on the CPU. So read first, then check
    // again.
    this.#doubted.set(cell, task);
    this.#options.clock.after(0, () => {
      if (!this.#closed && cell.task === task && !cell.killed && !cell.frozen) this.#lookAtTask(cell, task, cell.meter());
    });
  }

  /** The limit that a task exceeds, with a message; undefined if it exceeds none. */
  #judge(cell: Cell, task: Task, measured: Measured, held: number): readonly [LimitName, string] | undefined {
    const { beside_ms: beside, grown_mib: grown } = measured;
    const { what, used_ms: used, limit_ms: limit } = task.phase(measured.used_ms);
    const slack = MACHINE.cell_rss_slack_mib.default;
    const memory = this.#options.memory_mib(cell, task.assignment);
    if (grown > memory + slack)
      return ['memory', `The cell grew by ${Math.round(grown)} MiB during one crank; the run may have ${memory}.`];
    const kept = cell.growth.of(task.assignment) + grown;
    if (cell.precise && kept > memory + 2 * slack) return ['memory', ratchet(kept, memory)];
    if (used > limit + MACHINE.crank_slack_ms.default)
      return ['cpu', `${what} used ${Math.round(used)} ms of CPU time; it may use ${limit}.`];
    if (beside - HELP * measured.used_ms > limit + MACHINE.crank_slack_ms.default)
      return [
        'cpu',
        `Other threads used ${Math.round(beside)} ms of CPU time during one crank, such as for collecting its garbage; they may use ${limit}.`,
      ];
    const wall = Math.max(MACHINE.crank_wall_ms.default, task.kind === 'replay' ? task.limit_ms * REPLAY_PATIENCE : 0);
    if (held > wall) return ['crank_wall', `One crank held its cell for ${Math.round(held)} ms.`];
    return undefined;
  }

  #lookAtIdle(cell: Cell): void {
    if (cell.idle === undefined) return;
    const { kill, soon } = this.#idle.look(cell, cell.idle, this.#options.clock.monotonic());
    if (kill !== undefined) cell.killAsUntrusted(kill);
    else if (soon) this.#calm = false;
  }

  /** Enforces the maximum memory of a cell, whether it has work or not. */
  #lookAtSize(cell: Cell, meter: ProcessMeter | undefined): void {
    if (meter === undefined) return;
    const { rss_mib } = meter;
    const { cell_memory_mib, clock } = this.#options;
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
      // Removing idle runs has not freed memory.
      const message = `The cell holds ${Math.round(rss_mib)} MiB, and ${Math.round(heaviest.mib)} of them came with the cranks of this run.`;
      this.#options.onExceeded(cell, heaviest.assignment, 'memory', message);
    } else this.#options.onRogue(cell);
  }

  /** Passes the slots round among the cells with long cranks; cells without a slot are frozen. */
  #share(): void {
    const { clock, cells, slots } = this.#options;
    const now = clock.monotonic();
    const alive = new Set(cells());
    for (const cell of this.#computing.keys()) {
      if (!alive.has(cell) || cell.killed || cell.task === undefined || cell.frozen) this.#computing.delete(cell);
    }
    for (let i = this.#waiting.length - 1; i >= 0; i--) {
      const cell = this.#waiting[i] as Cell;
      if (!alive.has(cell) || cell.killed || cell.paused || !cell.frozen) this.#waiting.splice(i, 1);
    }
    for (const cell of this.#long) {
      if (cell.task === undefined || cell.frozen || cell.killed || this.#computing.has(cell)) continue;
      this.#computing.set(cell, now);
      // From here on the process has a low priority, so no other run should wait behind this crank.
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
