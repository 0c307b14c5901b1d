/** Tools that run inside the host: functions of the platform team, with schemas for their input and output. */
import type * as z from 'zod';
import { CorralError } from '@corral/protocol/errors';
import { contractOf, detailOf } from '@corral/protocol/ports/contract';
import { costOf, sumOf, type Cost } from '@corral/protocol/model/cost';
import type { Returns, Tool, ToolAnnotations, ToolCall, ToolResult } from '@corral/protocol/ports/tool';
import { resolveReturns } from './returned-fields.ts';

/**
 * Annotations that a tool leaves out have the more dangerous value: it makes changes that cannot be undone, outside this host, and
 * returns text of strangers.
 */
export const CAUTIOUS: ToolAnnotations = {
  readOnly: false,
  idempotent: false,
  destructive: true,
  openWorld: true,
  repeatable: false,
  returns: 'untrusted',
};

/** Annotations as an author writes them: `returns` may say of single fields who writes them. */
export type GivenAnnotations = Partial<Omit<ToolAnnotations, 'returns'>> & { readonly returns?: ToolAnnotations['returns'] | Returns };

export interface ToolSpec<In extends z.ZodType, Out extends z.ZodType> {
  /** Lower-case letters, digits and `. _ / -`, such as `shop.price`; unique on the host. Agents ask for `tool:shop.price`. */
  readonly name: string;
  /** Its purpose in one sentence: for authors of agents, for models, and for the people who approve calls. */
  readonly description: string;
  /** Zod schema of the arguments. A call that does not fit is refused before the tool is called. */
  readonly input: In;
  /** Zod schema of the result. A result that does not fit fails the call. */
  readonly output: Out;
  /** Says in which ways the tool is harmless. Annotations that are left out have the more dangerous value. */
  readonly annotations?: GivenAnnotations;
  /** Longest time of one attempt, in milliseconds. Default: 30,000. */
  readonly timeout_ms?: number;
}

/** A failure whose message the agent may read. Any other exception of a tool is reported without its text, which could hold secrets. */
export class ToolError extends Error {
  /** The attempt had no effect, and another attempt may succeed. */
  readonly retryable: boolean;

  constructor(message: string, options: { readonly retryable?: boolean; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.retryable = options.retryable ?? false;
  }
}

/** Lets the function of a tool report costs. */
export interface Charging {
  /**
   * Reports cost of the attempt: tokens, and money in millionths of the tenant's currency, money that the tool moved included. Several
   * reports add up. For an amount that is never reported, everything that the annotations reserved is billed; so call `charge({
   * money_micros: 0 })` before a failure if nothing was paid for certain.
   */
  readonly charge: (cost: Cost) => void;
}

/** Gives the function of a tool the secrets of its configuration. */
export interface Secrets {
  /**
   * Reads a secret by its name in `secrets`, for the agent that makes the call and the person it acts for: the account that is bound to them.
   * @throws CORRAL_SECRET_MISSING, naming the variable or file that it refers to; CORRAL_SECRET_DENIED where none is theirs
   */
  readonly secret: (name: string) => Promise<string>;
}

/** Tools that no configuration made, as in an embedded host, have no secrets. */
const noSecrets: Secrets['secret'] = (name) =>
  Promise.reject(new CorralError('CORRAL_SECRET_MISSING', `The secret ${name} is named by no configuration: this tool belongs to none.`));

/** @throws CORRAL_CONFIG_INVALID if `returns` names a field that no result has */
export function describe<In extends z.ZodType, Out extends z.ZodType>(spec: ToolSpec<In, Out>): Omit<Tool, 'invoke' | 'close'> {
  const { name, description, input, output, annotations: { returns = CAUTIOUS.returns, ...annotations } = {}, timeout_ms } = spec;
  const contract = contractOf(output, 'output');
  const { faults, ...returned } = returns === 'model' ? { returns, faults: [] } : resolveReturns(returns, () => contract.schema);
  if (faults[0] !== undefined) throw new CorralError('CORRAL_CONFIG_INVALID', `tool ${name}: annotations.returns: ${faults[0].message}.`);
  return {
    name,
    description,
    input: contractOf(input),
    output: contract,
    annotations: { ...CAUTIOUS, ...annotations, ...returned },
    ...(timeout_ms === undefined ? {} : { timeout_ms }),
  };
}

/**
 * A tool that runs on the host's own event loop, for code that waits. Code that computes, and code that nobody has audited, belongs into
 * a worker.
 */
export function inlineTool<In extends z.ZodType, Out extends z.ZodType>(
  spec: ToolSpec<In, Out> & {
    readonly run: (input: z.output<In>, call: ToolCall & Charging & Secrets) => z.input<Out> | Promise<z.input<Out>>;
  },
): Tool {
  return {
    ...describe(spec),
    async invoke(call: ToolCall & Partial<Secrets>): Promise<ToolResult> {
      return charged(spec.name, (charge) => spec.run(call.input as z.output<In>, { secret: noSecrets, ...call, charge }));
    },
  };
}

/** Runs a function and returns its result with the costs it reported. It never rejects: an exception is a failed result. */
export async function charged(tool: string, work: (charge: Charging['charge']) => unknown): Promise<ToolResult> {
  let cost: Cost | undefined;
  const charge = (more: Cost) => void (cost = sumOf(cost ?? {}, costOf(more)));
  const result = await attempted(tool, () => work(charge));
  return cost === undefined || result.kind === 'unknown' ? result : { ...result, cost };
}

/** Lines of a stack in this package are the same for every tool, and tell its author nothing. */
const HERE = import.meta.url.replace(/[^/]*$/, '');
const thrownBy = (error: unknown): string =>
  detailOf(error)
    .split('\n')
    .filter((line) => !(/^\s+at /.test(line) && line.includes(HERE)))
    .join('\n');

async function attempted(tool: string, work: () => unknown): Promise<ToolResult> {
  try {
    return { kind: 'ok', value: await work() };
  } catch (error) {
    if (!(error instanceof ToolError)) return { kind: 'failed', message: `${tool} failed.`, detail: thrownBy(error) };
    const detail = error.cause === undefined ? {} : { detail: thrownBy(error) };
    return { kind: 'failed', message: String(error.message), ...(error.retryable ? { retryable: true } : {}), ...detail };
  }
}
