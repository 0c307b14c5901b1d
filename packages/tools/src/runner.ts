/** Runs in a worker thread: finds the tool's function, calls it, and returns a result. */
import { detailOf } from '@corral/protocol/ports/contract';
import type { ToolResult } from '@corral/protocol/ports/tool';
import { charged } from './define.ts';

export interface RunnerTask {
  readonly tool: string;
  readonly module: string;
  readonly export: string;
  readonly call: object;
  /** Shared with the pool: set to 1 when the function is about to be called. */
  readonly started: Int32Array;
}

export default async function run(task: RunnerTask): Promise<ToolResult> {
  const module = (await import(task.module)) as Record<string, (call: object) => unknown>;
  const work = module[task.export];
  if (work === undefined) return { kind: 'failed', message: `${task.tool} has no function ${task.export}.` };
  Atomics.store(task.started, 0, 1);
  const result = await charged(task.tool, (charge) => work({ ...task.call, charge }));
  try {
    // Functions and such cannot be sent to another thread. The clone also fixes the value as it is now, in case the function changes it
    // later.
    return structuredClone(result);
  } catch (error) {
    const cost = 'cost' in result && result.cost !== undefined ? { cost: result.cost } : {};
    const message = `${task.tool} returned a value that is not JSON.`;
    return { kind: 'failed', message, code: 'CORRAL_RESULT_INVALID', detail: detailOf(error), ...cost };
  }
}
