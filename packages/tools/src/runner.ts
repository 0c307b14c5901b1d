/** What a worker thread runs: finds the tool's function and turns what it does into a result. */
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
    // What cannot be handed to another thread would be lost on its way; what it is now counts, and not what it becomes.
    return structuredClone(result);
  } catch (error) {
    const cost = 'cost' in result && result.cost !== undefined ? { cost: result.cost } : {};
    const message = `${task.tool} returned what is no JSON.`;
    return { kind: 'failed', message, code: 'CORRAL_RESULT_INVALID', detail: detailOf(error), ...cost };
  }
}
