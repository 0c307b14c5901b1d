/**
 * Function tools on worker threads (piscina), for functions that compute. If a worker dies, or has to be stopped, after it was given a
 * call, the result of that call is unknown.
 */
import { Piscina } from 'piscina';
import type * as z from 'zod';
import { detailOf } from '@corral/protocol/ports/contract';
import type { Tool, ToolCall, ToolResult } from '@corral/protocol/ports/tool';
import { describe, type Charging, type ToolSpec } from './define.ts';
import type { RunnerTask } from './runner.ts';

export interface WorkerToolsOptions {
  readonly threads: number;
  /** Receives exceptions that nothing caught. Default: a warning of the process. */
  readonly onError?: (error: Error) => void;
}

/** The argument of a worker's function. It has no abort signal: aborting ends the thread. */
export interface WorkerCall<Input> extends Charging {
  readonly input: Input;
  readonly idempotency_key: string;
  readonly attempt: number;
  /** As of `ToolCall`. */
  readonly traceparent?: string;
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
    // An exception that is thrown after the function has answered ends its thread; the pool starts another one.
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
    const { input, idempotency_key, attempt, signal, traceparent } = call;
    const idle: ToolResult = { kind: 'failed', message: `${spec.name} was not started.`, cost: { tokens: 0, money_micros: 0 } };
    if (signal.aborted) return idle;
    const started = new Int32Array(new SharedArrayBuffer(4));
    const task: RunnerTask = {
      tool: spec.name,
      module: spec.module.href,
      export: spec.export,
      call: { input, idempotency_key, attempt, ...(traceparent === undefined ? {} : { traceparent }) } satisfies Omit<
        WorkerCall<unknown>,
        'charge'
      >,
      started,
    };
    try {
      return (await this.#pool.run(task, { signal })) as ToolResult;
    } catch (error) {
      // The runner turns exceptions of the function into results, so this one means that the thread was lost or that the call was
      // aborted.
      if (Atomics.load(started, 0) === 0) return idle;
      return { kind: 'unknown', message: `The worker of ${spec.name} was lost while it ran.`, detail: detailOf(error) };
    }
  }
}
