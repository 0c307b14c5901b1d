/** What a task used of the CPU, for whoever must pay for it. */
import type { Cell, Task } from './cell.ts';

/** CPU time of a task, as the operating system counts it; undefined where nobody has looked in time. */
export function usedBy(cell: Cell, task: Task): number | undefined {
  const meter = cell.meter();
  return meter === undefined || task.cpuBefore_ms === undefined ? undefined : meter.cpu_ms - task.cpuBefore_ms;
}

/** CPU time of a task that did not come back: as it was last measured, and where nobody could, all the time it had the cell. */
export function billed(cell: Cell, task: Task): number {
  const held_ms = cell.held_ms();
  return Math.max(0, Math.min(usedBy(cell, task) ?? task.used_ms ?? held_ms, held_ms));
}
