/** Tools that run inside the host: functions of the platform team, with schemas for what goes in and comes out. */
import type * as z from 'zod';
import { contractOf, detailOf } from '@corral/protocol/ports/contract';
import { costOf, sumOf, type Cost } from '@corral/protocol/model/cost';
import type { Tool, ToolAnnotations, ToolCall, ToolResult } from '@corral/protocol/ports/tool';

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
export class ToolError extends Error {
  /** It did nothing, and might do it at the next attempt. */
  readonly retryable: boolean;

  constructor(message: string, options: { readonly retryable?: boolean; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.retryable = options.retryable ?? false;
  }
}

/** What a function that charges is handed besides its input. */
export interface Charging {
  /**
   * Says what the attempt has cost: tokens, and millionths of the tenant's currency, money that it moved included. Said several
   * times, it adds up. Of an amount that is never said, all that the annotations reserved is billed, so say
   * `charge({ money_micros: 0 })` before a failure of which it is sure that nothing was paid.
   */
  readonly charge: (cost: Cost) => void;
}

export function describe<In extends z.ZodType, Out extends z.ZodType>(spec: ToolSpec<In, Out>): Omit<Tool, 'invoke' | 'close'> {
  const { name, description, input, output, annotations, timeout_ms } = spec;
  return {
    name,
    description,
    input: contractOf(input),
    output: contractOf(output, 'output'),
    annotations: { ...CAUTIOUS, ...annotations },
    ...(timeout_ms === undefined ? {} : { timeout_ms }),
  };
}

/**
 * A tool that runs on the host's own event loop. For code that waits rather than computes; what computes, or what nobody
 * has audited, belongs into a worker.
 */
export function inlineTool<In extends z.ZodType, Out extends z.ZodType>(
  spec: ToolSpec<In, Out> & { readonly run: (input: z.output<In>, call: ToolCall & Charging) => z.input<Out> | Promise<z.input<Out>> },
): Tool {
  return {
    ...describe(spec),
    async invoke(call: ToolCall): Promise<ToolResult> {
      return charged(spec.name, (charge) => spec.run(call.input as z.output<In>, { ...call, charge }));
    },
  };
}

/** Runs a function and says what came of it, and what it cost. */
export async function charged(tool: string, work: (charge: Charging['charge']) => unknown): Promise<ToolResult> {
  let cost: Cost | undefined;
  const charge = (more: Cost) => void (cost = sumOf(cost ?? {}, costOf(more)));
  const result = await attempted(tool, () => work(charge));
  return cost === undefined || result.kind === 'unknown' ? result : { ...result, cost };
}

async function attempted(tool: string, work: () => unknown): Promise<ToolResult> {
  try {
    return { kind: 'ok', value: await work() };
  } catch (error) {
    if (!(error instanceof ToolError)) return { kind: 'failed', message: `${tool} failed.`, detail: detailOf(error) };
    const detail = error.cause === undefined ? {} : { detail: detailOf(error) };
    return { kind: 'failed', message: String(error.message), ...(error.retryable ? { retryable: true } : {}), ...detail };
  }
}
