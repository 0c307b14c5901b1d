/**
 * Function tools on worker threads (piscina): for what computes. A worker that dies, or had to be stopped, after it was
 * given a call leaves a result that nobody knows.
 */
import { Piscina } from 'piscina';
import type * as z from 'zod';
import type { Tool, ToolCall, ToolResult } from '@corral/protocol/tool';
import { describe, type ToolSpec } from './define.ts';

export interface WorkerToolsOptions {
  readonly threads: number;
}

/** What a worker's function is handed; the signal stays outside, since aborting ends the thread. */
export interface WorkerCall<Input> {
  readonly input: Input;
  readonly idempotency_key: string;
  readonly attempt: number;
}

export class WorkerTools {
  readonly #pool: Piscina;

  constructor({ threads }: WorkerToolsOptions) {
    this.#pool = new Piscina({
      minThreads: 1,
      maxThreads: Math.max(1, threads),
      idleTimeout: 30_000,
      concurrentTasksPerWorker: 1,
      atomics: 'disabled',
    });
  }

  /**
   * A tool whose function is the named export of a module. The function gets a WorkerCall and may throw an error with
   * `name: 'ToolError'`, whose message the agent reads.
   */
  tool<In extends z.ZodType, Out extends z.ZodType>(spec: ToolSpec<In, Out> & { readonly module: URL; readonly export: string }): Tool {
    return { ...describe(spec), invoke: (call) => this.#invoke(spec, call) };
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }

  async #invoke(spec: { readonly name: string; readonly module: URL; readonly export: string }, call: ToolCall): Promise<ToolResult> {
    const { input, idempotency_key, attempt, signal } = call;
    if (signal.aborted) return { kind: 'failed', message: `${spec.name} was not started.` };
    try {
      const task = { input, idempotency_key, attempt } satisfies WorkerCall<unknown>;
      return { kind: 'ok', value: (await this.#pool.run(task, { filename: spec.module.href, name: spec.export, signal })) as unknown };
    } catch (error) {
      const { name, message } = error as Error;
      if (name === 'ToolError') return { kind: 'failed', message };
      // An exception of the function itself came back over a thread that is alive; anything else took the thread with it.
      if (name !== 'AbortError' && !isThreadLoss(error)) return { kind: 'failed', message: `${spec.name} failed.` };
      return { kind: 'unknown', message: `The worker of ${spec.name} was lost while it ran.` };
    }
  }
}

function isThreadLoss(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return code === 'ERR_WORKER_OUT_OF_MEMORY' || /worker exited|Terminating worker|destroyed/i.test(message ?? '');
}
