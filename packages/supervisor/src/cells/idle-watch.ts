/**
 * Watches cells beside their tasks. A sound cell does nothing while it has no work, and its other threads only help the main one: they
 * collect garbage and compile. A cell that does more is no longer under control.
 */
import { MACHINE } from '@corral/protocol/limits';
import type { ProcessMeter } from '@corral/protocol/ports/machine';
import type { Cell } from './cell.ts';
import { beside_ms } from './task.ts';

/** CPU time that the threads beside the main one may use, as a multiple of its own. V8 collects garbage with up to four threads. */
export const HELP = 2;
/** The same in addition, over the life of a cell. Milliseconds. */
const HELP_MS = 1_000;
/** CPU time that a cell may use after its last task, for garbage that is collected concurrently: this, a millisecond for each MiB that it holds... */
const TIDY_MS = 250;
/** ...and this share of the time in which it has no work. */
const TIDY_SHARE = 0.01;
/** Share of a core above which a cell without work is looked at often. */
const BUSY = 0.25;

interface Seen {
  /** Frames that the cell had been sent. */
  readonly sent: number;
  readonly at: number;
  readonly first: ProcessMeter;
  readonly last: { readonly at: number; readonly cpu_ms: number };
}

export class IdleWatch {
  readonly #idle = new WeakMap<Cell, Seen>();
  readonly #first = new WeakMap<Cell, ProcessMeter>();

  /** Why a cell must be killed for what its other threads do; undefined if there is no reason. */
  beside(cell: Cell, meter: ProcessMeter): string | undefined {
    const first = this.#first.get(cell) ?? meter;
    this.#first.set(cell, first);
    const others = beside_ms(meter) - beside_ms(first);
    if (others <= HELP * (meter.cpu_ms - first.cpu_ms) + HELP_MS) return undefined;
    return `Its other threads used ${Math.round(others)} ms of CPU time.`;
  }

  /**
   * Looks at a cell without work. @returns why it must be killed, and whether it should be looked at again soon
   */
  look(cell: Cell, idle: ProcessMeter, now: number): { readonly kill?: string; readonly soon: boolean } {
    const before = this.#idle.get(cell);
    const cpu_ms = Math.max(idle.cpu_ms, idle.all_cpu_ms ?? 0);
    if (before === undefined || before.sent !== cell.sent) {
      this.#idle.set(cell, { sent: cell.sent, at: now, first: idle, last: { at: now, cpu_ms } });
      return { soon: false };
    }
    const { first, last } = before;
    this.#idle.set(cell, { ...before, last: { at: now, cpu_ms } });
    const used = cpu_ms - Math.max(first.cpu_ms, first.all_cpu_ms ?? 0);
    if (used > TIDY_MS + idle.rss_mib + (now - before.at) * TIDY_SHARE)
      return { kill: `It used ${Math.round(used)} ms of CPU time while it had no work.`, soon: false };
    const grown = idle.rss_mib - first.rss_mib;
    if (grown > MACHINE.cell_rss_slack_mib.default)
      return { kill: `It grew by ${Math.round(grown)} MiB while it had no work.`, soon: false };
    return { soon: cpu_ms - last.cpu_ms > (now - last.at) * BUSY };
  }
}
