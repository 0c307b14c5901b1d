/** A source of tools in memory whose tools change when a test says so, and whose calls end when it says so. */
import * as z from 'zod';
import type { Tool, ToolAnswer, ToolCall, ToolSource } from '@corral/protocol/ports/tool';
import { inlineTool } from '@corral/tools/define';
import { fixedSource } from '@corral/tools/sources';

const READ = { readOnly: true, idempotent: true, destructive: false, openWorld: false, returns: 'trusted' } as const;

/** Ends of calls and closings of tools, in order: `ended a`, `closed a`. */
export type Happened = string[];

/**
 * A tool whose calls last until `release` is called; calls that it is given after that end at once. `plain`: the same
 * tool, which has nothing to close.
 */
export function heldTool(name: string, happened: Happened = []) {
  const { promise, resolve: release } = Promise.withResolvers<void>();
  let begun = 0;
  const plain = inlineTool({
    name,
    description: name,
    input: z.object({}),
    output: z.unknown(),
    annotations: READ,
    run: async () => {
      begun += 1;
      await promise;
      happened.push(`ended ${name}`);
      return name;
    },
  });
  const tool: Tool = {
    ...plain,
    close: () => {
      happened.push(`closed ${name}`);
      return Promise.resolve();
    },
  };
  return { tool, plain, release, begun: () => begun };
}

export class MemorySource implements ToolSource {
  readonly #listeners = new Set<() => void>();
  /** All lists that it has had: what was offered once may have calls under way. */
  readonly #lists: ToolSource[];
  #closed = false;

  constructor(tools: readonly Tool[]) {
    this.#lists = [fixedSource(tools)];
  }

  tools(): readonly Tool[] {
    return this.#lists.at(-1)?.tools() ?? [];
  }

  set(tools: readonly Tool[]): void {
    this.#lists.push(fixedSource(tools));
    if (!this.#closed) for (const listener of this.#listeners) listener();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(within_ms?: number): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#lists.map((list) => list.close(within_ms)));
  }
}

let asked = 0;
export function ask(tool: Tool, input: ToolCall['input'] = {}): Promise<ToolAnswer> {
  const call = { input, idempotency_key: `run_x:${(asked += 1)}`, attempt: 1, run: 'run_x', tenant: 't' };
  return tool.invoke({ ...call, signal: new AbortController().signal } as unknown as ToolCall);
}
