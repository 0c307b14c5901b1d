/**
 * Contracts of tools that run elsewhere: a check by their JSON Schema, in the host. Patterns are left to the process of the tool, since
 * an agent chooses what they run against and some take for ever; all else is checked here, in steps bounded by schema and value.
 */
import * as z from 'zod';
import { checkedOf, type Contract, type JsonSchema } from '@corral/protocol/contract';
import { CorralError } from '@corral/protocol/errors';
import { isDeeperThan, type Json } from '@corral/protocol/json';
import { ADMISSION } from '@corral/protocol/limits';

/** @throws CORRAL_CONFIG_INVALID for what is no schema, or none that can be checked here */
export function contractBy(schema: unknown): Contract {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) throw refused('it is no JSON Schema');
  const { schema_depth, schema_bytes } = ADMISSION;
  if (isDeeperThan(schema, schema_depth.max)) throw refused(`it nests deeper than ${schema_depth.max} levels`);
  if (Buffer.byteLength(JSON.stringify(schema)) > schema_bytes.max) throw refused(`it is larger than ${schema_bytes.max} bytes`);
  let checks: z.ZodType;
  try {
    checks = z.fromJSONSchema(withoutPatterns(schema as Json) as never);
  } catch (error) {
    throw refused(error instanceof Error ? error.message : 'it cannot be checked');
  }
  const root = schema as JsonSchema;
  return {
    schema: root,
    check(value) {
      const checked = checkedOf(checks.safeParse(value));
      return checked.ok ? { ok: true, value: known(root, root, checked.value as Json) } : checked;
    },
  };
}

const refused = (why: string) => new CorralError('CORRAL_CONFIG_INVALID', why);

const isObject = (value: unknown): value is Readonly<Record<string, Json>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
/** Where the names of members are names of arguments, and no words of JSON Schema. */
const NAMED: ReadonlySet<string> = new Set(['properties', '$defs', 'definitions', 'dependentSchemas']);
const LITERAL: ReadonlySet<string> = new Set(['const', 'enum', 'default', 'examples']);

function withoutPatterns(schema: Json): Json {
  if (Array.isArray(schema)) return schema.map((one: Json) => withoutPatterns(one));
  if (!isObject(schema)) return schema;
  return Object.fromEntries(
    Object.entries(schema).flatMap(([word, value]): [string, Json][] => {
      if (word === 'pattern' || word === 'patternProperties') return [];
      if (LITERAL.has(word)) return [[word, value]];
      if (NAMED.has(word) && isObject(value))
        return [[word, Object.fromEntries(Object.entries(value).map(([name, one]) => [name, withoutPatterns(one)]))]];
      return [[word, withoutPatterns(value)]];
    }),
  );
}

/** The value without members that its schema does not name: zod leaves them out as well, so that policies judge what the tool will see. */
function known(schema: Json | undefined, root: JsonSchema, value: Json): Json {
  if (!isObject(schema) || typeof value !== 'object' || value === null) return value;
  const { $ref, properties, additionalProperties, patternProperties, items, prefixItems } = schema;
  if (typeof $ref === 'string') return known(referredIn(root, $ref), root, value);
  if (Array.isArray(value)) {
    const first = Array.isArray(prefixItems) ? (prefixItems as readonly Json[]) : [];
    return value.map((one: Json, i) => known(first[i] ?? items, root, one));
  }
  const members = Object.entries(value);
  if (isObject(properties)) {
    const open = additionalProperties !== undefined || patternProperties !== undefined;
    return Object.fromEntries(
      members
        .filter(([name]) => open || Object.hasOwn(properties, name))
        .map(([name, one]) => [name, known(Object.hasOwn(properties, name) ? properties[name] : additionalProperties, root, one)]),
    );
  }
  if (isObject(additionalProperties))
    return Object.fromEntries(members.map(([name, one]) => [name, known(additionalProperties, root, one)]));
  const branches = schema['anyOf'] ?? schema['oneOf'];
  if (Array.isArray(branches)) {
    const branch = (branches as readonly Json[]).find((one) => fits(one, root, value));
    return branch === undefined ? value : known(branch, root, value);
  }
  return value;
}

const branchChecks = new WeakMap<object, z.ZodType>();

/** Whether a branch of a union is the one that the value was taken for. */
function fits(branch: Json, root: JsonSchema, value: Json): boolean {
  if (!isObject(branch)) return false;
  let checks = branchChecks.get(branch);
  if (checks === undefined) {
    try {
      checks = z.fromJSONSchema(withoutPatterns({ ...branch, $defs: root['$defs'] ?? {} }) as never);
    } catch {
      checks = z.never();
    }
    branchChecks.set(branch, checks);
  }
  return checks.safeParse(value).success;
}

/** What a reference within a schema is about: `#`, `#/$defs/name`. */
export function referredIn(root: JsonSchema, reference: string): Json | undefined {
  let here: Json | undefined = root;
  for (const part of reference.replace(/^#\/?/, '').split('/').filter(Boolean))
    here = isObject(here) ? here[part.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined;
  return here;
}
