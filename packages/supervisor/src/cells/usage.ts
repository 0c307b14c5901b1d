/** What a task used of the CPU, for whoever must pay for it. */
import type { FrameHead } from '@corral/protocol/wire/frame';
import type { TenantId } from '@corral/protocol/ids';
import type { Cell } from './cell.ts';
import type { Task } from './task.ts';

/** CPU time of a task, as the operating system counts it; undefined where nobody has looked in time. */
export function usedBy(cell: Cell, task: Task): number | undefined {
  const meter = cell.meter();
  return meter === undefined || task.cpuBefore_ms === undefined ? undefined : meter.cpu_ms - task.cpuBefore_ms;
}

/** The kernel may count CPU time by the tick; what is shorter is left to the cell, which measures by the clock. */
const TICK_MS = 10;

/** How long a task has had its cell, without the time in which the process was stopped. */
export const took_ms = ({ began, frozen_ms }: Task, now: number): number => now - began - frozen_ms;

/** CPU time of a task that has just come back, as far as it is long enough to be measured from outside. @param took how long it had the cell */
export const measured_ms = (cell: Cell, task: Task, took: number): number => (took < TICK_MS ? 0 : Math.min(usedBy(cell, task) ?? 0, took));

/** CPU time of a task that did not come back: as it was last measured, and where nobody could, all the time it had the cell. */
export function billed(cell: Cell, task: Task): number {
  const held_ms = cell.held_ms();
  return Math.max(0, Math.min(usedBy(cell, task) ?? task.used_ms ?? held_ms, held_ms));
}

/**
 * CPU time that went into bringing runs back, by tenant, since this host started. It is in nobody's purse: that a run was given up to
 * make room is not its doing. But it is its tenant's, and whoever shares out the costs of a host can see it.
 */
export class ReplayCpu {
  readonly #of_ms = new Map<TenantId, number>();

  /** @param head of the cell's answer; undefined where it gave none */
  charge(cell: Cell, task: Task | undefined, head: FrameHead | undefined): void {
    const { tenant } = cell;
    if (tenant === undefined || task?.kind !== 'replay') return;
    // Once the task is over, only what was measured of it is left, and what the cell says, which is no more than the time it had.
    const used_ms = head === undefined ? billed(cell, task) : Math.max(head.cpu_us / 1000, usedBy(cell, task) ?? task.used_ms ?? 0);
    this.#of_ms.set(tenant, this.of_ms(tenant) + used_ms);
  }

  of_ms(tenant: TenantId): number {
    return this.#of_ms.get(tenant) ?? 0;
  }
}
