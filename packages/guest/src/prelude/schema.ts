/** Checks values against an author's own schemas, in the author's own isolate. */
import type { Schema } from '../sdk/types.ts';
import { raise } from './errors.ts';

/** @returns the value as the schema returns it @throws with that code, naming where the value does not fit */
export async function validate(
  schema: Schema | undefined,
  value: unknown,
  code: 'CORRAL_INPUT_INVALID' | 'CORRAL_OUTPUT_INVALID' | 'CORRAL_ARGS_INVALID',
  what: string,
  whose = 'the agent’s',
): Promise<unknown> {
  if (schema === undefined) return value;
  const result = await schema['~standard'].validate(value);
  if (result.issues === undefined) return result.value;
  const issues = result.issues.slice(0, 3).map((issue) => {
    const path = (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
    return path === '' ? issue.message : `${path}: ${issue.message}`;
  });
  throw raise(code, `The ${what} does not fit ${whose} schema: ${issues.join('; ')}.`);
}
