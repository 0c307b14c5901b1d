/**
 * Annotations of a tool that name arguments. A misspelt argument, or one that a call may leave out, would switch off the check that depends on
 * it, such as the budget of a payment.
 */
import type { Json } from '@corral/protocol/json';
import { nearest } from '@corral/protocol/nearest';
import type { JsonSchema } from '@corral/protocol/ports/contract';
import type { ToolAnnotations } from '@corral/protocol/ports/tool';
import { referredIn } from './host/evaluate.ts';

export interface AnnotationFault {
  readonly annotation: string;
  readonly message: string;
}

interface Annotated {
  readonly name: string;
  readonly annotations: Pick<ToolAnnotations, 'destinations' | 'money' | 'costs'>;
  readonly input: { readonly schema: JsonSchema };
}

/** An annotation, the argument that it names, and how that is read: text too may hold an amount of money. */
type Said = readonly [annotation: string, argument: string, amount: 'none' | 'number' | 'number or text'];

const WITHOUT = {
  number: 'a call without it would be refused each time',
  'number or text': 'a call without it would move an amount that no budget and no rule knows',
} as const;

export function faultsOfAnnotations({ name, annotations, input }: Annotated): AnnotationFault[] {
  const { destinations = [], money, costs = {} } = annotations;
  const said: Said[] = [
    ...destinations.map((argument): Said => ['destinations', argument, 'none']),
    ...(money === undefined ? [] : [['money', money, 'number or text'] as const]),
    ...Object.entries(costs).flatMap(([cost, argument]): Said[] =>
      typeof argument === 'string' ? [[`costs.${cost}`, argument, 'number']] : [],
    ),
  ];
  if (said.length === 0) return [];
  const { schema } = input;
  return said.flatMap(([annotation, argument, amount]): AnnotationFault[] => {
    const found = argumentsAt(schema, argument);
    if (found === undefined) {
      const one = nearest(argument, namesIn(schema));
      const hint = one === undefined ? '' : `; did you mean ${one}?`;
      return [{ annotation, message: `${name} has no argument ${argument}, which its annotation ${annotation} names${hint}` }];
    }
    if (amount === 'none') return [];
    const which = `the argument ${argument} of ${name}, which its annotation ${annotation} names,`;
    if (found.length > 0 && !found.some((one) => isAmount(one, amount))) return [{ annotation, message: `${which} is not a number` }];
    if (isGiven(schema, schema, argument.split('.'))) return [];
    return [{ annotation, message: `${which} may be left out, and ${WITHOUT[amount]}; make it required, or give it a default` }];
  });
}

export const isObject = (value: unknown): value is JsonSchema => typeof value === 'object' && value !== null && !Array.isArray(value);
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const UNIONS = ['anyOf', 'oneOf'] as const;

/** The schemas that a schema may stand for: the targets of its references and the branches of its unions. */
export function branches(root: JsonSchema, schema: unknown, seen = new Set<unknown>()): JsonSchema[] {
  if (!isObject(schema) || seen.has(schema)) return [];
  seen.add(schema);
  const { $ref } = schema;
  if (typeof $ref === 'string') return branches(root, referredIn(root, $ref), seen);
  const more = ['anyOf', 'oneOf', 'allOf'].flatMap((word) =>
    Array.isArray(schema[word]) ? schema[word].flatMap((one) => branches(root, one, seen)) : [],
  );
  return [schema, ...more];
}

/**
 * The schemas of an argument by its path; undefined: the tool has no argument of that name. Empty: the tool accepts any members
 * there.
 */
function argumentsAt(root: JsonSchema, path: string): JsonSchema[] | undefined {
  let here = branches(root, root);
  for (const name of path.split('.')) {
    if (here.every((one) => isOpen(one))) return [];
    const next = here.flatMap((one) => {
      const properties = one['properties'];
      if (isObject(properties) && Object.hasOwn(properties, name)) return branches(root, properties[name]);
      return isObject(one['additionalProperties']) ? branches(root, one['additionalProperties']) : [];
    });
    if (next.length === 0) return here.some((one) => isObject(one['additionalProperties'])) ? [] : undefined;
    here = next;
  }
  return here;
}

/** Whether a schema says nothing about members, so that any are allowed. */
const isOpen = (schema: JsonSchema): boolean =>
  schema['properties'] === undefined && schema['type'] === undefined && schema['anyOf'] === undefined && schema['oneOf'] === undefined;

const namesIn = (root: JsonSchema): string[] =>
  branches(root, root).flatMap((one) => (isObject(one['properties']) ? Object.keys(one['properties']) : []));

const typesOf = ({ type }: JsonSchema): readonly unknown[] => (Array.isArray(type) ? (type as readonly Json[]) : [type]);

/** Whether a value of the schema may be an amount. */
function isAmount(schema: JsonSchema, kinds: 'number' | 'number or text'): boolean {
  const fits = (kind: unknown) => kind === 'number' || kind === 'integer' || (kinds === 'number or text' && kind === 'string');
  const { const: fixed, enum: words } = schema;
  if (fixed !== undefined) return fits(typeof fixed);
  if (Array.isArray(words)) return words.some((word) => fits(typeof word));
  return typesOf(schema).some((one) => one === undefined || fits(one));
}

/** Nesting to which schemas are followed; beyond it an argument counts as one that may be left out. */
const DEPTH = 32;

/** Whether each value of a schema has an argument that is not null, with defaults filled in. */
function isGiven(root: JsonSchema, schema: unknown, path: readonly string[], depth = 0): boolean {
  if (!isObject(schema) || depth > DEPTH) return false;
  const { $ref } = schema;
  if (typeof $ref === 'string') return isGiven(root, referredIn(root, $ref), path, depth + 1);
  if (listOf(schema['allOf']).some((one) => isGiven(root, one, path, depth + 1))) return true;
  for (const union of UNIONS) {
    const all = listOf(schema[union]);
    if (all.length > 0 && all.every((one) => isGiven(root, one, path, depth + 1))) return true;
  }
  const [name, ...rest] = path;
  if (name === undefined) return isNeverNull(schema);
  const properties = schema['properties'];
  const own = isObject(properties) && Object.hasOwn(properties, name) ? properties[name] : undefined;
  if (!isObject(own)) return false;
  const isThere = listOf(schema['required']).includes(name) || (own['default'] !== undefined && own['default'] !== null);
  return isThere && isGiven(root, own, rest, depth + 1);
}

function isNeverNull(schema: JsonSchema): boolean {
  const { const: fixed, enum: words } = schema;
  if (fixed !== undefined) return fixed !== null;
  if (Array.isArray(words)) return !words.includes(null);
  return typesOf(schema).every((one) => one !== undefined && one !== 'null');
}
