/**
 * The tool by which an agent asks the owner of it a question (`ask` of the SDK). A person answers, so it has no code: the host checks the
 * answer against the JSON Schema in the question, in a bounded number of steps. A pattern of the agent's is shown and never run here; the
 * agent's own code checks the answer once more in its isolate.
 */
import * as z from 'zod';
import { CorralError } from '@corral/protocol/errors';
import { isDeeperThan } from '@corral/protocol/json';
import { QUESTIONS } from '@corral/protocol/limits-questions';
import { ANY_TEXT, ASK_OWNER, type Question } from '@corral/protocol/model/question';
import { detailOf, type Contract } from '@corral/protocol/ports/contract';
import type { Tool } from '@corral/protocol/ports/tool';
import { describe } from './define.ts';
import { contractBy } from './host/contracts.ts';

const MISFIT_CHARS = 1_000;
/** Keywords whose value is one schema, a list of them, or schemas by name. */
const INNER: ReadonlySet<string> = new Set(['items', 'prefixItems', 'additionalProperties', 'properties', 'anyOf', 'oneOf', 'allOf']);
/** Keywords with names in place of keywords. */
const NAMED = 'properties';
/** Keywords that describe a value without another schema. */
const PLAIN: ReadonlySet<string> = new Set(
  `$schema title description examples default type enum const required pattern format minLength maxLength minimum maximum exclusiveMinimum
  exclusiveMaximum multipleOf minItems maxItems uniqueItems minProperties maxProperties`.split(/\s+/),
);

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The first keyword that no question may have: references, and conditions that a person cannot be told in a sentence. */
function strangeIn(schema: unknown): string | undefined {
  if (Array.isArray(schema)) return schema.map(strangeIn).find((word) => word !== undefined);
  if (!isObject(schema)) return undefined;
  for (const [word, value] of Object.entries(schema)) {
    if (!INNER.has(word) && !PLAIN.has(word)) return word;
    if (!INNER.has(word)) continue;
    const strange = word === NAMED && isObject(value) ? strangeIn(Object.values(value)) : strangeIn(value);
    if (strange !== undefined) return strange;
  }
  return undefined;
}

/** Why a schema is not one that an answer can be checked against; undefined if it is. */
function faultOf(schema: unknown): string | undefined {
  const { schema_depth, schema_bytes } = QUESTIONS;
  if (isDeeperThan(schema, schema_depth.default)) return `nests deeper than ${schema_depth.default} levels`;
  if (Buffer.byteLength(JSON.stringify(schema)) > schema_bytes.default) return `is larger than ${schema_bytes.default} bytes`;
  const strange = strangeIn(schema);
  if (strange !== undefined) return `has the keyword ${JSON.stringify(strange)}, which the schema of an answer may not have`;
  const made = contractOrFault(schema);
  return typeof made === 'string' ? made : undefined;
}

function contractOrFault(schema: unknown): Contract | string {
  try {
    return contractBy(schema);
  } catch (error) {
    return error instanceof CorralError ? error.message : detailOf(error);
  }
}

const Asked = z.strictObject({
  question: z.string().min(1).max(QUESTIONS.question_chars.default).describe('for the owner of the agent'),
  schema: z
    .record(z.string(), z.unknown())
    .superRefine((schema, context) => {
      const fault = faultOf(schema);
      if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
    })
    .exactOptional()
    .describe('JSON Schema of the answer; left out: a text'),
  misfit: z.string().max(MISFIT_CHARS).exactOptional().describe('why the last answer was not taken'),
});

/** The tool that every configured host offers. */
export function questionTools(): Tool[] {
  return [
    {
      ...describe({
        name: ASK_OWNER,
        description: 'Asks the owner of the agent a question, and waits for the answer of a person.',
        input: Asked,
        output: z.unknown(),
        // It changes nothing, and the answer is the word of a person who may decide for the agent.
        annotations: { readOnly: true, idempotent: true, destructive: false, openWorld: false, returns: 'trusted' },
      }),
      asks(input, answer) {
        const { schema = ANY_TEXT } = input as unknown as Question;
        const contract = contractOrFault(schema);
        return typeof contract === 'string' ? { ok: false, where: '', message: contract } : contract.check(answer);
      },
      // Never called: the broker asks a person instead.
      invoke: () => Promise.resolve({ kind: 'failed', message: 'Only a person answers this.' }),
    },
  ];
}
