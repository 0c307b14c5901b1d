/** CPU time of tasks, for billing. */
import type { FrameHead } from '@corral/protocol/wire/frame';
import type { TenantId } from '@corral/protocol/ids';
import type { Cell } from './cell.ts';
import type { Task } from './task.ts';

/** CPU time of a task in milliseconds, by the operating system; undefined if the process was not measured when the task began. */
export function usedBy(cell: Cell, task: Task): number | undefined {
  const meter = cell.meter();
  return meter === undefined || task.cpuBefore_ms === undefined ? undefined : meter.cpu_ms - task.cpuBefore_ms;
}

/** The kernel may count CPU time in ticks of this length, in milliseconds; for shorter tasks the cell's own measurement is used. */
const TICK_MS = 10;

/** How long a task has had its cell, without the time in which the process was frozen. */
export const took_ms = ({ began, frozen_ms }: Task, now: number): number => now - began - frozen_ms;

/**
 * CPU time of a task that was just answered; 0 if it was too short to be measured from outside. @param took how long it had the cell, in
 * milliseconds
 */
export const measured_ms = (cell: Cell, task: Task, took: number): number => (took < TICK_MS ? 0 : Math.min(usedBy(cell, task) ?? 0, took));

/** CPU time of a task that was not answered: its last measurement, or if there is none, all the time for which it had the cell. */
export function billed(cell: Cell, task: Task): number {
  const held_ms = cell.held_ms();
  return task.loaded_ms + Math.max(0, Math.min(usedBy(cell, task) ?? task.used_ms ?? held_ms, held_ms));
}

/**
 * CPU time of a task that was just answered, the load of its isolate included. The cell's own figure counts only between the CPU time that
 * was measured and the time for which it had the task.
 * @param took how long it had the cell, in milliseconds @param measured see measured_ms
 */
export const reported_us = (task: Task, head: FrameHead, took: number, measured: number): number =>
  Math.max(Math.min(head.cpu_us, Math.ceil(took * 1000)), Math.round(measured * 1000)) + Math.round(task.loaded_ms * 1000);

/**
 * CPU time of replays that brought runs back into memory, and of isolates made in advance that no run got, by tenant, since this host
 * started. It is not taken from a run's purse, because the host decides when a run leaves memory, and what it makes in advance. Operators
 * see it, to share out the costs of a host among its tenants.
 */
export class ReplayCpu {
  readonly #perTenant_ms = new Map<TenantId, number>();

  /** @param head of the cell's answer; undefined if it gave none */
  charge(cell: Cell, task: Task | undefined, head: FrameHead | undefined): void {
    if (task?.kind !== 'replay') return;
    // Once the task is over, only its last measurement and the cell's own figure are left.
    const used_ms =
      head === undefined ? billed(cell, task) : task.loaded_ms + Math.max(head.cpu_us / 1000, usedBy(cell, task) ?? task.used_ms ?? 0);
    this.add(cell, used_ms);
  }

  readonly add = ({ tenant }: Cell, cpu_ms: number): void => {
    if (tenant !== undefined) this.#perTenant_ms.set(tenant, this.of_ms(tenant) + cpu_ms);
  };

  of_ms(tenant: TenantId): number {
    return this.#perTenant_ms.get(tenant) ?? 0;
  }
}
