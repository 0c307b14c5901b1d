/**
 * Which JSON Schemas an answer may be checked by. An agent writes the schema and the host compiles it, so each keyword is known here with
 * its form, and the number of parts is bounded: a schema that takes long to compile would hold up other runs.
 */
import { isDeeperThan, type Json } from '@corral/protocol/json';
import { QUESTIONS } from '@corral/protocol/limits-questions';

type Schema = Readonly<Record<string, Json>>;
type Form = (value: Json) => boolean;

const isObject = (value: unknown): value is Schema => typeof value === 'object' && value !== null && !Array.isArray(value);
const isText: Form = (value) => typeof value === 'string';
const isNumber: Form = (value) => typeof value === 'number';
const isSize: Form = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isSchema: Form = (value) => isObject(value) || typeof value === 'boolean';
const listOf =
  (form: Form): Form =>
  (value) =>
    Array.isArray(value) && value.length > 0 && value.every(form);
const isType: Form = (value) => ['string', 'number', 'integer', 'boolean', 'null', 'object', 'array'].includes(value as string);
/** Each type once: a list that repeats one would have its parts compiled as often, at each level. */
const isTypes: Form = (value) => isType(value) || (listOf(isType)(value) && new Set(value as string[]).size === (value as string[]).length);

/** Keywords, each with the form of its value. References, conditions and patterns of names are not among them. */
const FORMS: Readonly<Record<string, Form>> = {
  $schema: isText,
  title: isText,
  description: isText,
  examples: () => true,
  default: () => true,
  type: isTypes,
  // Titles of the words, as MCP has them.
  enumNames: listOf(isText),
  enum: (value) => Array.isArray(value) && value.length > 0,
  const: () => true,
  required: (value) => Array.isArray(value) && value.every(isText),
  // Shown, and never run.
  pattern: isText,
  format: isText,
  minLength: isSize,
  maxLength: isSize,
  minimum: isNumber,
  maximum: isNumber,
  exclusiveMinimum: isNumber,
  exclusiveMaximum: isNumber,
  multipleOf: (value) => isNumber(value) && (value as number) > 0,
  minItems: isSize,
  maxItems: isSize,
  uniqueItems: (value) => typeof value === 'boolean',
  minProperties: isSize,
  maxProperties: isSize,
  items: isSchema,
  prefixItems: listOf(isSchema),
  additionalProperties: isSchema,
  properties: (value) => isObject(value) && Object.values(value).every(isSchema),
  anyOf: listOf(isSchema),
  oneOf: listOf(isSchema),
  allOf: listOf(isSchema),
};
/** Keywords whose value has schemas within. */
const INNER: ReadonlySet<string> = new Set(['items', 'prefixItems', 'additionalProperties', 'properties', 'anyOf', 'oneOf', 'allOf']);

/** Why an answer cannot be checked by a schema; undefined if it can. */
export function faultOf(schema: Schema): string | undefined {
  const { schema_depth, schema_bytes, schema_parts } = QUESTIONS;
  if (isDeeperThan(schema, schema_depth.default)) return `nests deeper than ${schema_depth.default} levels`;
  if (Buffer.byteLength(JSON.stringify(schema)) > schema_bytes.default) return `is larger than ${schema_bytes.default} bytes`;
  let parts = 0;
  const waiting: Json[] = [schema];
  for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
    if (!isObject(one)) continue;
    parts += 1 + (Array.isArray(one['enum']) ? one['enum'].length : 0);
    if (parts > schema_parts.default) return `has more than ${schema_parts.default} parts`;
    for (const [word, value] of Object.entries(one)) {
      const form = Object.hasOwn(FORMS, word) ? FORMS[word] : undefined;
      if (form === undefined) return `has the keyword ${JSON.stringify(word)}, which the schema of an answer may not have`;
      if (!form(value)) return `has a ${word} that is not one`;
      if (INNER.has(word)) waiting.push(...schemasIn(word, value));
    }
  }
  return undefined;
}

function schemasIn(word: string, value: Json): readonly Json[] {
  if (Array.isArray(value)) return value as readonly Json[];
  return word === 'properties' ? Object.values(value as Schema) : [value];
}
