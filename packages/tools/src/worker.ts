/**
 * Function tools on worker threads (piscina): for what computes. A worker that dies, or had to be stopped, after it was
 * given a call leaves a result that nobody knows.
 */
import { Piscina } from 'piscina';
import type * as z from 'zod';
import { detailOf } from '@corral/protocol/ports/contract';
import type { Tool, ToolCall, ToolResult } from '@corral/protocol/ports/tool';
import { describe, type Charging, type ToolSpec } from './define.ts';
import type { RunnerTask } from './runner.ts';

export interface WorkerToolsOptions {
  readonly threads: number;
  /** Told what functions throw that nothing catches; left out, it is a warning of the process. */
  readonly onError?: (error: Error) => void;
}

/** What a worker's function is handed; the signal stays outside, since aborting ends the thread. */
export interface WorkerCall<Input> extends Charging {
  readonly input: Input;
  readonly idempotency_key: string;
  readonly attempt: number;
}

export class WorkerTools {
  readonly #pool: Piscina;

  constructor({ threads, onError = (error) => process.emitWarning(error.stack ?? error.message) }: WorkerToolsOptions) {
    this.#pool = new Piscina({
      filename: new URL('./runner.ts', import.meta.url).href,
      minThreads: 1,
      maxThreads: Math.max(1, threads),
      idleTimeout: 30_000,
      concurrentTasksPerWorker: 1,
      atomics: 'disabled',
    });
    // What a function throws after it has answered ends its thread, and another one takes its place.
    this.#pool.on('error', onError);
  }

  /** A tool whose function is the named export of a module. It gets a WorkerCall, and may throw a ToolError. */
  tool<In extends z.ZodType, Out extends z.ZodType>(spec: ToolSpec<In, Out> & { readonly module: URL; readonly export: string }): Tool {
    return { ...describe(spec), invoke: (call) => this.#invoke(spec, call) };
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }

  async #invoke(spec: { readonly name: string; readonly module: URL; readonly export: string }, call: ToolCall): Promise<ToolResult> {
    const { input, idempotency_key, attempt, signal } = call;
    const idle: ToolResult = { kind: 'failed', message: `${spec.name} was not started.`, cost: { tokens: 0, money_micros: 0 } };
    if (signal.aborted) return idle;
    const started = new Int32Array(new SharedArrayBuffer(4));
    const task: RunnerTask = {
      tool: spec.name,
      module: spec.module.href,
      export: spec.export,
      call: { input, idempotency_key, attempt } satisfies Omit<WorkerCall<unknown>, 'charge'>,
      started,
    };
    try {
      return (await this.#pool.run(task, { signal })) as ToolResult;
    } catch (error) {
      // Whatever the function itself does comes back as a result; this is the loss of its thread, or of its place in the queue.
      if (Atomics.load(started, 0) === 0) return idle;
      return { kind: 'unknown', message: `The worker of ${spec.name} was lost while it ran.`, detail: detailOf(error) };
    }
  }
}
