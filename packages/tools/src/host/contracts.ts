/**
 * Contracts of tools that run in another process: the host checks values by the tool's JSON Schema. Agents choose the values, and some
 * patterns take exponential time on some values, so patterns are left to the tool's process; the rest is checked here, in a bounded
 * number of steps (evaluate.ts).
 */
import * as z from 'zod';
import type { Contract, JsonSchema } from '@corral/protocol/ports/contract';
import { CorralError } from '@corral/protocol/errors';
import { isDeeperThan, type Json } from '@corral/protocol/json';
import { ADMISSION } from '@corral/protocol/limits';
import { evaluator, isObject } from './evaluate.ts';

/** @throws CORRAL_CONFIG_INVALID if it is not a JSON Schema, or has keywords that cannot be checked */
export function contractBy(schema: unknown): Contract {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) throw refused('it is not a JSON Schema');
  const { schema_depth, schema_bytes } = ADMISSION;
  if (isDeeperThan(schema, schema_depth.max)) throw refused(`it nests deeper than ${schema_depth.max} levels`);
  if (Buffer.byteLength(JSON.stringify(schema)) > schema_bytes.max) throw refused(`it is larger than ${schema_bytes.max} bytes`);
  try {
    // Zod throws for keywords that it cannot check.
    z.fromJSONSchema(withoutPatterns(schema as Json) as never);
    return { schema: schema as JsonSchema, check: evaluator(schema as JsonSchema) };
  } catch (error) {
    throw refused(error instanceof Error ? error.message : 'it cannot be checked');
  }
}

const refused = (why: string) => new CorralError('CORRAL_CONFIG_INVALID', why);

/** Keywords whose members are named by the author, and are not keywords themselves. */
const NAMED: ReadonlySet<string> = new Set(['properties', '$defs', 'definitions', 'dependentSchemas']);
const LITERAL: ReadonlySet<string> = new Set(['const', 'enum', 'default', 'examples']);

/** The schema as Zod is asked about it. */
function withoutPatterns(schema: Json): Json {
  if (Array.isArray(schema)) return schema.map((one: Json) => withoutPatterns(one));
  if (!isObject(schema)) return schema;
  return Object.fromEntries(
    Object.entries(schema).flatMap(([word, value]): [string, Json][] => {
      if (word === 'pattern' || word === 'patternProperties') return [];
      if (LITERAL.has(word)) return [[word, value]];
      // Each type once, as JSON Schema asks for: Zod compiles the parts for each type of the list, at every level again.
      if (word === 'type' && Array.isArray(value)) return [[word, [...new Set(value)]]];
      if (NAMED.has(word) && isObject(value))
        return [[word, Object.fromEntries(Object.entries(value).map(([name, one]) => [name, withoutPatterns(one)]))]];
      return [[word, withoutPatterns(value)]];
    }),
  );
}
