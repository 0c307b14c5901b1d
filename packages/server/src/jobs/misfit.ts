/**
 * Whether an input looks as if its agent would refuse it. The host compares types, members and values with the agent's JSON Schema, and
 * nothing else: no patterns and no references, and no more steps than a bound, since schema and input come from strangers. A suspicion
 * decides nothing. The agent's own schema does, in a cell that is thrown away: it may convert what looks wrong from here.
 */
import type { Json } from '@corral/protocol/json';

type Schema = { readonly [word: string]: Json | undefined };

/** Comparisons of one input. Beyond it, the run itself finds out. */
const STEPS = 10_000;

export function looksUnfit(schema: unknown, input: Json): boolean {
  let steps = STEPS;

  const unfit = (at: unknown, value: Json): boolean => {
    steps -= 1;
    if (steps < 0) return false;
    if (at === false) return true;
    if (!isObject(at)) return false;
    const { type, const: fixed, enum: words, anyOf, oneOf, allOf } = at;
    if (type !== undefined && !types(type).some((one) => isOf(one, value))) return true;
    if (isPlain(fixed) && fixed !== value) return true;
    if (Array.isArray(words) && words.every((word) => isPlain(word)) && !words.includes(value)) return true;
    for (const either of [anyOf, oneOf]) if (Array.isArray(either) && either.every((one) => unfit(one, value))) return true;
    if (Array.isArray(allOf) && allOf.some((one) => unfit(one, value))) return true;
    if (typeof value === 'number') return outside(value, at['minimum'], at['maximum']);
    if (typeof value === 'string') return outside(value.length, at['minLength'], at['maxLength']);
    if (Array.isArray(value)) {
      const { items, prefixItems } = at;
      if (outside(value.length, at['minItems'], at['maxItems'])) return true;
      return prefixItems === undefined && isObject(items) && value.some((one) => unfit(items, one));
    }
    return isObject(value) && membersUnfit(at, value);
  };

  const membersUnfit = ({ properties, required, additionalProperties: others, patternProperties }: Schema, value: Schema): boolean => {
    if (Array.isArray(required) && required.some((name) => typeof name === 'string' && !Object.hasOwn(value, name))) return true;
    const known: Schema = isObject(properties) ? properties : {};
    return Object.entries(value).some(([name, member]) => {
      if (Object.hasOwn(known, name)) return unfit(known[name], member as Json);
      return patternProperties === undefined && others !== undefined && unfit(others, member as Json);
    });
  };

  return unfit(schema, input) && steps >= 0;
}

const isObject = (value: unknown): value is Schema => typeof value === 'object' && value !== null && !Array.isArray(value);
const isPlain = (value: unknown) => value === null || ['string', 'number', 'boolean'].includes(typeof value);
const types = (type: Json): readonly unknown[] => (Array.isArray(type) ? type : [type]);

/** A bound that is not a number bounds nothing. */
const outside = (size: number, least: unknown, most: unknown): boolean =>
  (typeof least === 'number' && size < least) || (typeof most === 'number' && size > most);

function isOf(type: unknown, value: Json): boolean {
  switch (type) {
    case 'null':
      return value === null;
    case 'array':
      return Array.isArray(value);
    case 'object':
      return isObject(value);
    case 'integer':
      return Number.isInteger(value);
    case 'string':
    case 'number':
    case 'boolean':
      return typeof value === type;
    default:
      return true;
  }
}
