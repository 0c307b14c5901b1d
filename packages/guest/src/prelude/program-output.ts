/**
 * Checks the output of a program in the terms of the agent that made it. The check is made in the agent's isolate and not in the program's, where the
 * program could replace it.
 */
import type { ErrorCode } from '@corral/protocol/errors';
import type { Json } from '@corral/protocol/json';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { NarrowOutput, ProgramOutput } from '../sdk/types.ts';
import { bare } from './bare.ts';
import { describeError } from './describe.ts';
import { raise } from './errors.ts';
import { validate } from './schema.ts';

export const isNarrow = (output: ProgramOutput): output is NarrowOutput => typeof output === 'string' || Array.isArray(output);

/** A narrow output as JSON Schema, by which the host tells that it carries no influence of strangers; null for every other one. */
export function narrowSchema(output: ProgramOutput | undefined): object | null {
  if (output === undefined || !isNarrow(output)) return null;
  return bare(typeof output === 'string' ? { type: output } : { enum: bare([...output]) });
}

/** How the program ended, as its parent takes it. */
export async function accepted(output: ProgramOutput, given: unknown): Promise<Outcome> {
  try {
    const checked = isNarrow(output) ? narrowed(output, given) : await validate(output, given, ...CHECK);
    return bare({ kind: 'completed', output: checked as Json });
  } catch (error) {
    const { code, message } = describeError(error) as { readonly code?: ErrorCode; readonly message: string };
    return bare({ kind: 'failed', code: code ?? 'CORRAL_OUTPUT_INVALID', message });
  }
}

const CHECK = ['CORRAL_OUTPUT_INVALID', 'output of the program', 'its parent’s'] as const;

function narrowed(output: NarrowOutput, given: unknown): unknown {
  const fits = typeof output === 'string' ? typeof given === output : output.includes(given as string);
  if (fits) return given;
  const wanted = typeof output === 'string' ? `a ${output}` : `one of ${output.join(', ')}`;
  throw raise('CORRAL_OUTPUT_INVALID', `The output of the program is not ${wanted}.`);
}
