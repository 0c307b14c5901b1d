/** What a worker thread runs: finds the tool's function and turns what it does into a result. */
import type { ToolResult } from '@corral/protocol/tool';
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
  return charged(task.tool, (charge) => work({ ...task.call, charge }));
}
