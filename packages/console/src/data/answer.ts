/**
 * Forms for the answers to questions, made from the JSON Schema that an agent wrote. A draft has the texts that a person
 * has typed; it becomes a value only if it fits. The host checks the value again: this is to say beside the field what is missing. A pattern is shown and never run,
 * since an agent wrote it and it could hold up the page.
 */

type Schema = Readonly<Record<string, unknown>>;

interface Named {
  /** Name of the member, or a title that the agent gave. */
  readonly name: string;
  readonly about: string;
  /** Without an entry it is left out. */
  readonly optional: boolean;
  /** Says in words which values fit; empty if every value does. */
  readonly takes: string;
  readonly schema: Schema;
}
export type Field = Named &
  (
    | { readonly kind: 'text' | 'number' | 'boolean' | 'json' }
    | { readonly kind: 'choice'; readonly values: readonly unknown[] }
    | { readonly kind: 'list'; readonly item: Field }
    | { readonly kind: 'object'; readonly members: readonly Field[]; readonly keys: readonly string[] }
  );

/** A text; of a list its items, of an object its members in the order of the field's. */
export type Draft = string | readonly Draft[];

export interface Fault {
  /** Positions of members and items from the whole answer on: `1.0`. Empty: the answer itself. */
  readonly at: string;
  readonly message: string;
}
export type Filled = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly faults: readonly Fault[] };

const isSchema = (value: unknown): value is Schema => typeof value === 'object' && value !== null && !Array.isArray(value);
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
const sizeText = (of: number): string => of.toLocaleString('en');

/** Nested deeper, a part is written as JSON. */
const DEPTH = 6;

/** @param name of the field; empty for the whole answer */
export function fieldOf(schema: unknown, name = '', optional = false, depth = 0): Field {
  const given = isSchema(schema) ? schema : {};
  const one = withoutNull(given);
  const named = {
    name: name === '' ? textOf(given['title']) : name,
    about: textOf(given['description']) || textOf(one['description']),
    optional,
    takes: takesOf(one),
    schema: one,
  };
  const values = valuesOf(given);
  if (values !== undefined) return { ...named, takes: '', kind: 'choice', values };
  switch (one === given ? given['type'] : undefined) {
    case 'boolean':
      return { ...named, kind: 'boolean' };
    case 'string':
      return { ...named, kind: 'text' };
    case 'number':
    case 'integer':
      return { ...named, kind: 'number' };
    case 'array':
      if (depth < DEPTH && isSchema(one['items']) && one['prefixItems'] === undefined)
        return { ...named, kind: 'list', item: fieldOf(one['items'], '', false, depth + 1) };
      break;
    case 'object': {
      const properties = one['properties'];
      if (depth >= DEPTH || !isSchema(properties) || Object.keys(properties).length === 0) break;
      const required = Array.isArray(one['required']) ? (one['required'] as unknown[]) : [];
      const keys = Object.keys(properties);
      const members = keys.map((key) => fieldOf(properties[key], key, !required.includes(key), depth + 1));
      return { ...named, kind: 'object', keys, members };
    }
  }
  return { ...named, takes: `JSON that fits ${JSON.stringify(shown(given))}`, kind: 'json' };
}

/** A list of values: words, constants, or a choice of those. */
function valuesOf(schema: Schema): readonly unknown[] | undefined {
  if (Array.isArray(schema['enum'])) return schema['enum'] as unknown[];
  if ('const' in schema) return [schema['const']];
  if (schema['type'] === 'null') return [null];
  const either = schema['anyOf'] ?? schema['oneOf'];
  if (!Array.isArray(either)) return undefined;
  const all = either.map((one) => (isSchema(one) ? valuesOf(one) : undefined));
  return all.every((one) => one !== undefined) ? all.flat() : undefined;
}

/** An answer that may be null as well is written as JSON; of a choice with one other way, that way says what it takes. */
function withoutNull(schema: Schema): Schema {
  const either = schema['anyOf'] ?? schema['oneOf'];
  if (!Array.isArray(either)) return schema;
  const rest = either.filter((one) => !(isSchema(one) && one['type'] === 'null'));
  return rest.length === 1 && isSchema(rest[0]) ? rest[0] : schema;
}

function shown(schema: Schema): Schema {
  const { $schema: _, ...rest } = schema;
  return rest;
}

function takesOf(schema: Schema): string {
  const words: string[] = [];
  const bound = (word: string, say: (limit: number) => string) => {
    const limit = numberOf(schema[word]);
    // Bounds of whole numbers that libraries write down by themselves say nothing to a person.
    if (limit !== undefined && Math.abs(limit) < Number.MAX_SAFE_INTEGER) words.push(say(limit));
  };
  if (schema['type'] === 'integer') words.push('a whole number');
  bound('minimum', (n) => `at least ${n}`);
  bound('maximum', (n) => `at most ${n}`);
  bound('exclusiveMinimum', (n) => `more than ${n}`);
  bound('exclusiveMaximum', (n) => `less than ${n}`);
  bound('multipleOf', (n) => `a multiple of ${n}`);
  bound('minLength', (n) => `at least ${sizeText(n)} characters`);
  bound('maxLength', (n) => `at most ${sizeText(n)} characters`);
  bound('minItems', (n) => `at least ${sizeText(n)} items`);
  bound('maxItems', (n) => `at most ${sizeText(n)} items`);
  if (typeof schema['format'] === 'string') words.push(schema['format']);
  if (typeof schema['pattern'] === 'string') words.push(`it has to fit ${schema['pattern']}`);
  return words.join(', ');
}

export function emptyOf(field: Field): Draft {
  switch (field.kind) {
    case 'object':
      return field.members.map((one) => emptyOf(one));
    case 'list':
      return [];
    default:
      return '';
  }
}

const isEmpty = (draft: Draft): boolean => (typeof draft === 'string' ? draft === '' : draft.every((one) => isEmpty(one)));

/** The value of a draft, or what is wrong with it. */
export function valueOf(field: Field, draft: Draft, at = ''): Filled {
  const fault = (message: string): Filled => ({ ok: false, faults: [{ at, message }] });
  const text = typeof draft === 'string' ? draft : '';
  switch (field.kind) {
    case 'text':
      return text === '' ? fault('Write something here.') : withinLength(field, text, fault);
    case 'number':
      return numberIn(field, text.trim(), fault);
    case 'boolean':
      return text === '' ? fault('Choose yes or no.') : { ok: true, value: text === 'yes' };
    case 'choice': {
      const chosen = text === '' ? -1 : Number(text);
      return chosen in field.values ? { ok: true, value: field.values[chosen] } : fault('Choose one of these.');
    }
    case 'json':
      try {
        return { ok: true, value: JSON.parse(text) as unknown };
      } catch (error) {
        return fault(text === '' ? 'Write JSON here.' : `This is not JSON: ${error instanceof Error ? error.message : ''}`);
      }
    case 'list':
      return listIn(field, typeof draft === 'string' ? [] : draft, at);
    case 'object':
      return objectIn(field, typeof draft === 'string' ? [] : draft, at);
  }
}

type Fail = (message: string) => Filled;

function withinLength({ schema }: Field, text: string, fault: Fail): Filled {
  // As JSON Schema counts them.
  const length = Array.from(text).length;
  const [least, most] = [numberOf(schema['minLength']), numberOf(schema['maxLength'])];
  if (least !== undefined && length < least) return fault(`It has ${sizeText(length)} characters, and needs at least ${sizeText(least)}.`);
  if (most !== undefined && length > most) return fault(`It has ${sizeText(length)} characters, and may have ${sizeText(most)}.`);
  return { ok: true, value: text };
}

function numberIn({ schema }: Field, text: string, fault: Fail): Filled {
  const value = Number(text);
  if (text === '' || !Number.isFinite(value)) return fault('Write a number here.');
  if (schema['type'] === 'integer' && !Number.isInteger(value)) return fault('Write a whole number here.');
  const beyond = (word: string, isWrong: (limit: number) => boolean) => {
    const limit = numberOf(schema[word]);
    return limit !== undefined && isWrong(limit);
  };
  if (beyond('minimum', (n) => value < n) || beyond('exclusiveMinimum', (n) => value <= n))
    return fault(`It has to be ${takesOf(schema)}.`);
  if (beyond('maximum', (n) => value > n) || beyond('exclusiveMaximum', (n) => value >= n))
    return fault(`It has to be ${takesOf(schema)}.`);
  return { ok: true, value };
}

const placeOf = (at: string, i: number): string => (at === '' ? String(i) : `${at}.${i}`);

function listIn(field: Extract<Field, { kind: 'list' }>, items: readonly Draft[], at: string): Filled {
  const [least, most] = [numberOf(field.schema['minItems']), numberOf(field.schema['maxItems'])];
  const faults: Fault[] = [];
  if (least !== undefined && items.length < least) faults.push({ at, message: `It needs at least ${sizeText(least)} items.` });
  if (most !== undefined && items.length > most) faults.push({ at, message: `It may have ${sizeText(most)} items.` });
  const values = items.map((one, i) => {
    const filled = valueOf(field.item, one, placeOf(at, i));
    if (filled.ok) return filled.value;
    faults.push(...filled.faults);
    return null;
  });
  return faults.length === 0 ? { ok: true, value: values } : { ok: false, faults };
}

function objectIn(field: Extract<Field, { kind: 'object' }>, members: readonly Draft[], at: string): Filled {
  const faults: Fault[] = [];
  const entries: [string, unknown][] = [];
  for (const [i, member] of field.members.entries()) {
    const draft = members[i] ?? '';
    if (member.optional && isEmpty(draft)) continue;
    const filled = valueOf(member, draft, placeOf(at, i));
    if (filled.ok) entries.push([field.keys[i] ?? '', filled.value]);
    else faults.push(...filled.faults);
  }
  // A member may have any name: an own property, whatever it is called.
  return faults.length === 0 ? { ok: true, value: Object.fromEntries(entries) } : { ok: false, faults };
}

/** A draft with one part replaced. @param at positions, as of a fault */
export function drafted(draft: Draft, at: readonly number[], part: Draft): Draft {
  const [first, ...rest] = at;
  if (first === undefined) return part;
  const parts = typeof draft === 'string' ? [] : [...draft];
  parts[first] = drafted(parts[first] ?? '', rest, part);
  return parts;
}
