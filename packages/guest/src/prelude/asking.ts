/**
 * `ask` of an agent's context: a question to the owner of the agent, as a call of the one tool that a person answers. The host checks the
 * answer against the JSON Schema; the agent's own schema may want more, and then the question is put once more with the reason.
 */
import type { CapabilityView } from '@corral/protocol/wire/delivery';
import { ASK_OWNER } from '@corral/protocol/model/question';
import type { Ask, CallOptions, ProgramOutput, Schema } from '../sdk/types.ts';
import { bare } from './bare.ts';
import { CorralError, raise } from './errors.ts';
import { invalid, outputOf } from './options.ts';
import { isNarrow, narrowSchema } from './program-output.ts';
import { validate } from './schema.ts';

type Call = (input: unknown, options?: CallOptions) => Promise<unknown>;

/** Characters of a reason that are sent with the question. */
const MISFIT_CHARS = 1_000;

/** @param caps the capabilities of the run by their aliases */
export function asker(views: Readonly<Record<string, CapabilityView>>, caps: Readonly<Record<string, unknown>>): Ask {
  let alias: string | undefined;
  for (const [name, view] of Object.entries(views)) if (view.kind === 'tool' && view.name === ASK_OWNER) alias ??= name;
  const call = alias === undefined ? undefined : (caps[alias] as Call);
  const ask = async (question: unknown, answer?: unknown, options?: CallOptions): Promise<unknown> => {
    if (call === undefined)
      throw raise(
        'CORRAL_CAP_NOT_GRANTED',
        `This run may not ask the owner of its agent; the agent asks for it with \`uses: { owner: 'tool:${ASK_OWNER}' }\`.`,
      );
    if (question === undefined || question === null) throw invalid('The question', question, 'a text');
    const output = outputOf('The answer', answer);
    const schema = output === undefined ? undefined : writtenOf(output);
    const asked = { question, ...(schema === undefined ? {} : { schema }) };
    let misfit: string | undefined;
    for (;;) {
      const given = await call(bare({ ...asked, ...(misfit === undefined ? {} : { misfit }) }), options);
      if (output === undefined || isNarrow(output)) return given;
      try {
        return await validate(output, given, 'CORRAL_ARGS_INVALID', 'answer');
      } catch (error) {
        if (!(error instanceof CorralError) || error.code !== 'CORRAL_ARGS_INVALID') throw error;
        misfit = error.message.slice(0, MISFIT_CHARS);
      }
    }
  };
  return ask as unknown as Ask;
}

/** The answer as JSON Schema. @throws CORRAL_SCHEMA_INVALID */
function writtenOf(output: ProgramOutput): object {
  return narrowSchema(output) ?? writtenBy(output as Schema);
}

function writtenBy(schema: Schema): object {
  const { vendor, jsonSchema } = schema['~standard'];
  if (jsonSchema === undefined) {
    const how = vendor === 'zod' ? ' With zod/mini, give `z.toJSONSchema(schema)`.' : '';
    throw raise('CORRAL_SCHEMA_INVALID', `The schema of the answer cannot be written as JSON Schema here.${how}`);
  }
  try {
    return jsonSchema.input({ target: 'draft-2020-12' });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw raise('CORRAL_SCHEMA_INVALID', `The schema of the answer cannot be written as JSON Schema: ${why}`);
  }
}
