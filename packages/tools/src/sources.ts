/** Sources of tools that need no process: a fixed list, and several sources joined to one. Sources are joined nowhere else. */
import { MACHINE } from '@corral/protocol/limits';
import type { Tool, ToolAnswer, ToolCall, ToolSource } from '@corral/protocol/ports/tool';
import { notStarted } from './host/keeper.ts';

/** A source with a fixed list: the host's own tools, or functions of a program. */
export function fixedSource(own: readonly Tool[]): ToolSource {
  const under = new Set<Promise<ToolAnswer>>();
  let closing: Promise<void> | undefined;
  const invoke = (tool: Tool, call: ToolCall): Promise<ToolAnswer> => {
    if (closing !== undefined) return Promise.resolve(notStarted(tool.name, 'its source is closed'));
    const result = tool.invoke(call).finally(() => under.delete(result));
    under.add(result);
    return result;
  };
  const tools = own.map((tool): Tool => ({ ...tool, invoke: (call) => invoke(tool, call) }));
  const close = async (within_ms: number) => {
    await ended([...under], within_ms);
    // If one tool fails to close, the others are closed nevertheless.
    await Promise.allSettled(own.map(async (tool) => tool.close?.()));
  };
  return {
    tools: () => tools,
    onChange: () => () => undefined,
    close: (within_ms = MACHINE.tool_drain_ms.default) => (closing ??= close(within_ms)),
  };
}

/** Several sources as one: lists their tools in order, reports changes of any, and closes all. */
export function joinedSources(sources: readonly ToolSource[]): ToolSource {
  let closing: Promise<void> | undefined;
  const close = async (within_ms?: number) => {
    await Promise.allSettled(sources.map((source) => source.close(within_ms)));
  };
  return {
    tools: () => sources.flatMap((source) => source.tools()),
    onChange(listener) {
      const stops = sources.map((source) => source.onChange(listener));
      return () => {
        for (const stop of stops) stop();
      };
    },
    close: (within_ms) => (closing ??= close(within_ms)),
    pinned: sources.flatMap((source) => source.pinned ?? []),
  };
}

/** Waits until all calls have ended, at most `within_ms`. */
async function ended(calls: readonly Promise<unknown>[], within_ms: number): Promise<void> {
  if (calls.length === 0) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, within_ms);
  await Promise.race([Promise.allSettled(calls), promise]);
  clearTimeout(timer);
}
