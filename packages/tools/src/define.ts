/** Tools that run inside the host: functions of the platform team, with schemas for what goes in and comes out. */
import type * as z from 'zod';
import type { Tool, ToolAnnotations, ToolCall, ToolResult } from '@corral/protocol/tool';

/** What is not said is assumed to be the worse: it changes things, cannot be undone, reaches out, returns what strangers wrote. */
const CAUTIOUS: ToolAnnotations = {
  readOnly: false,
  idempotent: false,
  destructive: true,
  openWorld: true,
  repeatable: false,
  returns: 'untrusted',
};

export interface ToolSpec<In extends z.ZodType, Out extends z.ZodType> {
  readonly name: string;
  readonly description: string;
  readonly input: In;
  readonly output: Out;
  readonly annotations?: Partial<ToolAnnotations>;
  readonly timeout_ms?: number;
}

/** A failure that the agent may read about. Anything else a tool throws is reported without its text, which could hold secrets. */
export class ToolError extends Error {}

export function describe<In extends z.ZodType, Out extends z.ZodType>(spec: ToolSpec<In, Out>): Omit<Tool, 'invoke' | 'close'> {
  const { name, description, input, output, annotations, timeout_ms } = spec;
  return {
    name,
    description,
    input,
    output,
    annotations: { ...CAUTIOUS, ...annotations },
    ...(timeout_ms === undefined ? {} : { timeout_ms }),
  };
}

/**
 * A tool that runs on the host's own event loop. For code that waits rather than computes; what computes, or what nobody
 * has audited, belongs into a worker.
 */
export function inlineTool<In extends z.ZodType, Out extends z.ZodType>(
  spec: ToolSpec<In, Out> & { readonly run: (input: z.output<In>, call: ToolCall) => z.input<Out> | Promise<z.input<Out>> },
): Tool {
  return {
    ...describe(spec),
    async invoke(call: ToolCall): Promise<ToolResult> {
      try {
        return { kind: 'ok', value: await spec.run(call.input as z.output<In>, call) };
      } catch (error) {
        return failure(spec.name, error);
      }
    },
  };
}

export function failure(tool: string, error: unknown): ToolResult {
  if (error instanceof ToolError) return { kind: 'failed', message: error.message };
  return { kind: 'failed', message: `${tool} failed.` };
}
