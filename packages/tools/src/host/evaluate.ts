/**
 * Validates a value against a JSON Schema in a bounded number of steps, for any schema and value: agents choose the values, and the check
 * runs on the host's event loop. The outcome of a definition for a value is remembered; branches of a union that a constant rules out are
 * skipped; a value whose check uses up its steps is refused. Patterns and formats that may take long are not checked here (contracts.ts).
 */
import * as z from 'zod';
import { checkedOf, detailOf, type Checked, type JsonSchema } from '@corral/protocol/ports/contract';
import { canonical, type Json } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';

/** The outcome is being computed further up the stack. */
const PENDING = Symbol('pending');
/** The value fits and stays as it is; the schema does not describe its members. */
const FITS = Symbol('fits');

/** Where and why a value does not fit. `says` builds the text only for the misfit that is reported. */
class Misfit {
  readonly path: readonly (string | number)[];
  readonly says: () => string;

  constructor(says: () => string, path: readonly (string | number)[] = []) {
    this.says = says;
    this.path = path;
  }

  below(name: string | number): Misfit {
    return new Misfit(this.says, [name, ...this.path]);
  }
}

const misfit = (message: string, ...path: readonly string[]) => new Misfit(() => message, path);

/** FITS, or the value with defaults filled in and without members that the schema does not name. An undefined value is an absent one. */
type Outcome = typeof FITS | Misfit | Json;
type Check = (value: Json | undefined, walk: Walk) => Outcome;
type Kind = 'string' | 'number' | 'boolean' | 'null' | 'object' | 'array';

/** Ends a check that has used up its steps or levels. */
class TooFar extends Error {}

/** Maximum depth of nested schemas and references, so that the stack suffices. */
const LEVELS = 1_000;
/** Steps for storing an outcome, because it uses memory as well. */
const STEPS_KEPT = 4;
/** Steps for a check by zod, which takes about as long as that many steps of this file. */
const STEPS_OF_LEAF = 16;
/** Characters that count as one step, in a string or in a value that is compared as text. */
const CHARS_PER_STEP = 64;

/** The state of validating one value: steps left, depth, outcomes so far. */
class Walk {
  #left = MACHINE.check_steps.default;
  #level = 0;
  /** Outcomes so far, by definition and value. */
  readonly #known = new Map<Check, Map<unknown, Outcome | typeof PENDING>>();

  spend(steps: number): void {
    this.#left -= steps;
    if (this.#left < 0) throw new TooFar(`it takes more than ${MACHINE.check_steps.default} steps to check`);
  }

  down(check: Check, value: Json | undefined): Outcome {
    if (this.#level === LEVELS) throw new TooFar(`it takes more than ${LEVELS} levels to check`);
    this.#level += 1;
    this.spend(1);
    const outcome = check(value, this);
    this.#level -= 1;
    return outcome;
  }

  /** Applies a definition to a value once; later calls return the stored outcome. */
  once(check: Check, value: Json | undefined): Outcome {
    let known = this.#known.get(check);
    if (known === undefined) this.#known.set(check, (known = new Map()));
    const before = known.get(value);
    this.spend(before === undefined ? STEPS_KEPT : 1);
    // A definition that refers back to itself with the same value has no outcome, so the value is refused.
    if (before === PENDING) return misfit('the schema refers to itself without end');
    if (before !== undefined) return before;
    known.set(value, PENDING);
    const outcome = this.down(check, value);
    known.set(value, outcome);
    return outcome;
  }
}

/** Compiles a check for a schema that `z.fromJSONSchema` has accepted. The check never throws. */
export function evaluator(root: JsonSchema): (value: unknown) => Checked {
  const check = new Checks(root).of(root);
  return (value) => {
    try {
      const outcome = new Walk().down(check, value as Json | undefined);
      if (outcome instanceof Misfit) return { ok: false, where: outcome.path.join('.'), message: outcome.says() };
      return { ok: true, value: outcome === FITS ? value : outcome };
    } catch (error) {
      if (error instanceof TooFar) return { ok: false, where: '', message: error.message };
      return { ok: false, where: '', message: 'the schema itself failed', detail: detailOf(error) };
    }
  };
}

export const isObject = (value: unknown): value is Readonly<Record<string, Json>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function kindOf(value: Json): Kind {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : (typeof value as Kind);
}

/** The subschema that a reference within the schema names: `#`, `#/$defs/name`. */
export function referredIn(root: JsonSchema, reference: string): Json | undefined {
  let here: Json | undefined = root;
  for (const part of reference.replace(/^#\/?/, '').split('/').filter(Boolean))
    here = isObject(here) ? here[part.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined;
  return here;
}

const listIn = (value: Json | undefined): readonly Json[] | undefined => (Array.isArray(value) ? (value as readonly Json[]) : undefined);
const ABSENT = 'Invalid input: expected nonoptional, received undefined';
const anything: Check = (value) => (value === undefined ? misfit(ABSENT) : FITS);
const nothing: Check = () => misfit('Invalid input: expected never');

/** A check of keywords that do not apply subschemas. Zod validates them, so messages and formats are zod's. */
function leaf(schema: JsonSchema, words: readonly string[], kind: string): Check {
  const own = Object.fromEntries(Object.entries(schema).filter(([word]) => words.includes(word)));
  const checks = z.fromJSONSchema({ ...own, type: kind } as never);
  const plain = Object.keys(own).length === 0;
  return (value, walk) => {
    if (value === undefined || !isOf(kind, value)) return new Misfit(() => complaint(checks, value));
    if (plain) return FITS;
    walk.spend(STEPS_OF_LEAF + (typeof value === 'string' ? Math.ceil(value.length / CHARS_PER_STEP) : 0));
    const checked = checkedOf(checks.safeParse(value));
    return checked.ok ? FITS : misfit(checked.message);
  };
}

function complaint(checks: z.ZodType, value: unknown): string {
  const checked = checkedOf(checks.safeParse(value));
  return checked.ok ? 'Invalid input' : checked.message;
}

const isOf = (kind: string, value: Json) =>
  kind === 'integer' ? Number.isSafeInteger(value) : kind === 'number' ? Number.isFinite(value) : kind === kindOf(value);

const TEXT = ['format', 'minLength', 'maxLength'];
const NUMBER = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'];
const SIZES = { object: ['minProperties', 'maxProperties'], array: ['minItems', 'maxItems'] } as const;
const OF_OBJECTS = [
  'properties',
  'required',
  'additionalProperties',
  'patternProperties',
  'propertyNames',
  'minProperties',
  'maxProperties',
];
const OF_ARRAYS = ['items', 'prefixItems', 'additionalItems', 'minItems', 'maxItems', 'uniqueItems', 'contains'];

/** Checks the kind of the value and its number of members. */
function sized(schema: JsonSchema, kind: 'object' | 'array'): Check {
  const [least, most] = SIZES[kind].map((word) => schema[word]);
  const kinds = leaf({}, [], kind);
  const own = Object.fromEntries(Object.entries(schema).filter(([word]) => SIZES[kind].includes(word as never)));
  // Zod counts the items of a list only if the schema has `items`.
  const words = z.fromJSONSchema({ ...own, type: kind, ...(kind === 'array' ? { items: {} } : {}) });
  return (value, walk) => {
    const is = kinds(value, walk);
    if (is instanceof Misfit) return is;
    const size = Array.isArray(value) ? value.length : Object.keys(value as object).length;
    walk.spend(size);
    const fits = (typeof least !== 'number' || size >= least) && (typeof most !== 'number' || size <= most);
    return fits ? FITS : new Misfit(() => complaint(words, value));
  };
}

/** Compiles the checks of a schema and its subschemas, each once. */
class Checks {
  readonly #root: JsonSchema;
  readonly #made = new Map<object, Check>();

  constructor(root: JsonSchema) {
    this.#root = root;
  }

  of(schema: Json | undefined): Check {
    if (schema === false) return nothing;
    if (!isObject(schema)) return anything;
    const made = this.#made.get(schema) ?? this.#make(schema);
    this.#made.set(schema, made);
    return made;
  }

  #make(schema: JsonSchema): Check {
    const { $ref, anyOf, oneOf, allOf, not, default: fallback } = schema;
    const parts: Check[] = [];
    if (not !== undefined) parts.push(nothing);
    if (typeof $ref === 'string') parts.push(this.#reference($ref));
    const own = this.#own(schema);
    if (own !== undefined) parts.push(own);
    if (Array.isArray(anyOf)) parts.push(this.#union(anyOf as readonly Json[], false));
    if (Array.isArray(oneOf)) parts.push(this.#union(oneOf as readonly Json[], true));
    for (const one of listIn(allOf) ?? []) parts.push(this.of(one));
    const [first = anything] = parts;
    const whole = parts.length > 1 ? allOfThem(parts) : first;
    return fallback === undefined ? whole : (value, walk) => (value === undefined ? fallback : whole(value, walk));
  }

  #reference(reference: string): Check {
    let target: Check | undefined;
    return (value, walk) => walk.once((target ??= this.of(referredIn(this.#root, reference))), value);
  }

  /** The check of the schema's own keywords, chosen by the kind of the value. */
  #own(schema: JsonSchema): Check | undefined {
    if (schema['enum'] !== undefined || schema['const'] !== undefined) return constant(schema);
    const { type } = schema;
    if (type === undefined && ![...OF_OBJECTS, ...OF_ARRAYS].some((word) => word in schema)) return undefined;
    const kinds = new Map<string, Check>();
    for (const kind of type === undefined ? ['object', 'array'] : Array.isArray(type) ? (type as string[]) : [type as string]) {
      if (kind === 'object') kinds.set(kind, this.#object(schema));
      else if (kind === 'array') kinds.set(kind, this.#array(schema));
      else if (kind === 'integer') kinds.set('number', kinds.get('number') ?? leaf(schema, NUMBER, kind));
      else kinds.set(kind, leaf(schema, kind === 'number' ? NUMBER : kind === 'string' ? TEXT : [], kind));
    }
    const only = kinds.size === 1 ? [...kinds.values()][0] : undefined;
    return (value, walk) => {
      const check = value === undefined ? undefined : kinds.get(kindOf(value));
      if (check !== undefined) return check(value, walk);
      if (type === undefined) return anything(value, walk);
      // This one fails with zod's message about the expected type.
      return only === undefined ? misfit('Invalid input') : only(value, walk);
    };
  }

  #object(schema: JsonSchema): Check {
    const { properties, required, additionalProperties, patternProperties, propertyNames } = schema;
    const sizes = sized(schema, 'object');
    const needed = new Set(listIn(required) ?? []);
    const named = Object.entries(isObject(properties) ? properties : {}).map(([name, one]) => ({
      name,
      check: this.of(one),
      fills: mayFill(one),
    }));
    const isNamed = new Set(named.map(({ name }) => name));
    const unnamed = [...needed].filter((name) => !isNamed.has(name as string)) as string[];
    // If `patternProperties` are present, only the tool's process knows which members are additional.
    const others = additionalProperties === undefined || patternProperties !== undefined ? undefined : this.of(additionalProperties);
    const closed = additionalProperties === false && others !== undefined;
    const shapes = isObject(properties) || isObject(additionalProperties);
    const keeps = additionalProperties !== undefined || patternProperties !== undefined || !isObject(properties);
    const names =
      propertyNames === undefined ? undefined : this.of(isObject(propertyNames) ? { type: 'string', ...propertyNames } : propertyNames);
    return (value, walk) => {
      const size = sizes(value, walk);
      if (size instanceof Misfit || !isObject(value)) return size;
      const members = Object.entries(value);
      for (const [name] of names === undefined ? [] : members)
        if (walk.down(names as Check, name) instanceof Misfit) return misfit('Invalid key in record', name);
      const made: [string, Json][] = [];
      for (const { name, check, fills } of named) {
        const has = Object.hasOwn(value, name);
        if (!has && !fills && !needed.has(name)) continue;
        const one = walk.down(check, has ? value[name] : undefined);
        if (one instanceof Misfit) {
          if (has || needed.has(name)) return one.below(name);
        } else if (one !== FITS) made.push([name, one]);
        else made.push([name, value[name] as Json]);
      }
      const absent = unnamed.find((name) => !Object.hasOwn(value, name));
      if (absent !== undefined) return misfit(ABSENT, absent);
      const strange = members.filter(([name]) => !isNamed.has(name));
      if (closed && strange.length > 0)
        return misfit(`Unrecognized key${strange.length > 1 ? 's' : ''}: ${strange.map(([name]) => `"${name}"`).join(', ')}`);
      for (const [name, member] of keeps ? strange : []) {
        const one = others === undefined ? FITS : walk.down(others, member);
        if (one instanceof Misfit) return one.below(name);
        made.push([name, one === FITS ? member : one]);
      }
      return shapes ? Object.fromEntries(made) : FITS;
    };
  }

  #array(schema: JsonSchema): Check {
    const { items, prefixItems, additionalItems, minItems, contains, minContains, maxContains, uniqueItems } = schema;
    const sizes = sized(schema, 'array');
    const firsts = (listIn(prefixItems) ?? listIn(items) ?? []).map((one) => this.of(one));
    const rest = Array.isArray(items) ? additionalItems : items;
    const others = rest === undefined ? undefined : this.of(rest);
    const wanted = contains === undefined ? undefined : this.of(contains);
    const shapes = firsts.length > 0 || others !== undefined;
    return (value, walk) => {
      const size = sizes(value, walk);
      if (size instanceof Misfit || !Array.isArray(value)) return size;
      const odd =
        (uniqueItems === true ? repeated(value as Json[], walk) : undefined) ??
        counted(value as Json[], walk, wanted, minContains, maxContains);
      if (odd !== undefined) return odd;
      if (rest === false && value.length > firsts.length) return misfit(`Too big: expected array to have <=${firsts.length} items`);
      const made: Json[] = [];
      const most = Math.max(value.length, Math.min(firsts.length, typeof minItems === 'number' ? minItems : 0));
      for (let i = 0; shapes && i < most; i++) {
        const check = firsts[i] ?? others;
        const one = check === undefined ? FITS : walk.down(check, (value as Json[])[i]);
        if (one instanceof Misfit) return one.below(i);
        made.push(one === FITS ? ((value as Json[])[i] as Json) : one);
      }
      for (const check of firsts.slice(most)) {
        const fallback = walk.down(check, undefined);
        if (fallback instanceof Misfit || fallback === FITS) break;
        made.push(fallback);
      }
      return shapes ? made : FITS;
    };
  }

  #union(schemas: readonly Json[], exactlyOne: boolean): Check {
    const branches = schemas.map((schema) => ({ check: this.of(schema), constants: undefined as Constants | undefined, schema }));
    return (value, walk) => {
      walk.spend(branches.length);
      const possible = isObject(value)
        ? branches.filter((one) => isPossible((one.constants ??= this.#constants(one.schema)), value))
        : branches;
      let found: Outcome = misfit('Invalid input');
      for (const { check } of possible) {
        const outcome = walk.down(check, value);
        if (outcome instanceof Misfit) {
          // The constant says which branch was meant, so its message helps more than that no branch fits.
          if (possible.length === 1 && branches.length > 1) return outcome;
          continue;
        }
        if (!exactlyOne) return outcome;
        if (!(found instanceof Misfit)) return misfit('Invalid input: more than one option matched');
        found = outcome;
      }
      return found;
    };
  }

  /** Required members that must have one of a set of constants. */
  #constants(schema: Json, depth = 0): Constants {
    if (!isObject(schema) || depth > 16) return [];
    const { $ref, properties, required } = schema;
    if (typeof $ref === 'string') return this.#constants(referredIn(this.#root, $ref) ?? true, depth + 1);
    if (!isObject(properties)) return [];
    return (listIn(required) ?? []).flatMap((name) => {
      const member = typeof name === 'string' && Object.hasOwn(properties, name) ? properties[name] : undefined;
      if (!isObject(member) || member['default'] !== undefined) return [];
      const words = member['enum'] ?? (member['const'] === undefined ? undefined : [member['const']]);
      if (!Array.isArray(words) || words.some((word) => typeof word === 'object' && word !== null)) return [];
      return [[name as string, new Set(words as Json[])] as const];
    });
  }
}

/** Whether the schema may supply a default for an absent member. */
const mayFill = (schema: Json) => isObject(schema) && ['default', '$ref', 'anyOf', 'oneOf', 'allOf'].some((word) => word in schema);

type Constants = readonly (readonly [string, ReadonlySet<unknown>])[];

const isPossible = (constants: Constants, value: JsonSchema): boolean =>
  constants.every(([name, words]) => Object.hasOwn(value, name) && words.has(value[name]));

function constant(schema: JsonSchema): Check {
  const words = listIn(schema['enum']) ?? [schema['const'] as Json];
  const flat = new Set<unknown>(words.filter((word) => typeof word !== 'object' || word === null));
  const deep = new Set(words.filter((word) => typeof word === 'object' && word !== null).map((word) => canonical(word)));
  const checks = z.fromJSONSchema({ enum: words } as never);
  return (value, walk) => {
    if (value !== undefined && flat.has(value)) return FITS;
    if (typeof value === 'object' && value !== null && deep.size > 0 && deep.has(written(value, walk))) return FITS;
    return new Misfit(() => complaint(checks, value));
  };
}

/** A canonical text: equal values have the same one. */
function written(value: Json, walk: Walk): string {
  const text = canonical(value);
  walk.spend(Math.ceil(text.length / CHARS_PER_STEP));
  return text;
}

function repeated(items: readonly Json[], walk: Walk): Misfit | undefined {
  const seen = new Map<string, number>();
  for (const [i, item] of items.entries()) {
    const text = written(item, walk);
    const first = seen.get(text);
    if (first !== undefined)
      return misfit(`Array items must be unique: element at index ${i} duplicates the one at index ${first}`).below(i);
    seen.set(text, i);
  }
  return undefined;
}

function counted(
  items: readonly Json[],
  walk: Walk,
  wanted: Check | undefined,
  least: Json = 1,
  most: Json = Infinity,
): Misfit | undefined {
  if (wanted === undefined) return undefined;
  const matches = items.filter((item) => !(walk.down(wanted, item) instanceof Misfit)).length;
  if (matches < Number(least)) return misfit(`Array must contain at least ${Number(least)} matching elements; found ${matches}`);
  return matches > Number(most) ? misfit(`Array must contain at most ${Number(most)} matching elements`) : undefined;
}

/** All parts must fit; a member is kept if any part names it. */
function allOfThem(parts: readonly Check[]): Check {
  return (value, walk) => {
    let whole: Outcome = FITS;
    for (const part of parts) {
      const one = walk.down(part, value);
      if (one instanceof Misfit) return one;
      whole = one === FITS ? whole : whole === FITS ? one : merged(whole, one, walk);
    }
    return whole;
  };
}

function merged(a: Json, b: Json, walk: Walk): Json {
  walk.spend(1);
  if (Array.isArray(a) && Array.isArray(b)) return b.map((one: Json, i) => (i < a.length ? merged(a[i] as Json, one, walk) : one));
  if (!isObject(a) || !isObject(b)) return b;
  walk.spend(Object.keys(a).length);
  const both = Object.entries(b).map(([name, one]): [string, Json] => [
    name,
    Object.hasOwn(a, name) ? merged(a[name] as Json, one, walk) : one,
  ]);
  return Object.fromEntries([...Object.entries(a), ...both]);
}
