/**
 * Shapes: what policies see of a value. A tool's argument schema becomes a shape; the type in Cedar's schema and the reader that
 * converts a call's arguments to Cedar values are both made from the shape, so they cannot disagree.
 */
import type { CedarType } from './engine.ts';
import { Datetime, Decimal } from './extension.ts';
import { CedarSet, type CedarRecord, type Value } from './value.ts';

/** `decimal` and `datetime` are read from numbers: a datetime from milliseconds since 1970. */
export type Shape =
  | { readonly kind: 'bool' | 'long' | 'string' | 'decimal' | 'datetime' }
  | { readonly kind: 'set'; readonly of: Shape }
  | { readonly kind: 'record'; readonly fields: Fields };
export type Fields = Readonly<Record<string, Field>>;
export interface Field {
  readonly shape: Shape;
  readonly optional?: boolean;
}

/** A value that does not fit its shape. The text names the place and never the value. */
export class ShapeMismatch extends Error {
  override readonly name = 'ShapeMismatch';
}

type Reader = (raw: unknown, at: string) => Value;

/** Keys with a special meaning in Cedar's JSON; the last one in JavaScript. */
const RESERVED = new Set(['__entity', '__extn', '__expr', '__proto__']);
const MAX_DEPTH = 8;

export function cedarType(shape: Shape): CedarType {
  switch (shape.kind) {
    case 'bool':
      return { type: 'Boolean' };
    case 'long':
      return { type: 'Long' };
    case 'string':
      return { type: 'String' };
    case 'decimal':
    case 'datetime':
      return { type: 'Extension', name: shape.kind };
    case 'set':
      return { type: 'Set', element: cedarType(shape.of) };
    case 'record':
      return { type: 'Record', attributes: cedarFields(shape.fields) };
  }
}

export function cedarFields(fields: Fields): Record<string, CedarType & { required: boolean }> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [name, { ...cedarType(field.shape), required: field.optional !== true }]),
  );
}

function mismatch(at: string, wanted: string): never {
  throw new ShapeMismatch(`${at} is not ${wanted}`);
}

/** The reader of a shape. It copies what the shape names, refuses what does not fit, and drops the rest. */
export function reader(shape: Shape): Reader {
  switch (shape.kind) {
    case 'bool':
      return (raw, at) => (typeof raw === 'boolean' ? raw : mismatch(at, 'a boolean'));
    case 'long':
      return (raw, at) => (Number.isSafeInteger(raw) ? (raw as number) + 0 : mismatch(at, 'a whole number below 2^53'));
    case 'string':
      return (raw, at) => (typeof raw !== 'string' ? mismatch(at, 'a string') : raw.isWellFormed() ? raw : raw.toWellFormed());
    case 'decimal':
      return (raw, at) => (typeof raw === 'number' ? Decimal.near(raw) : undefined) ?? mismatch(at, 'a number that a policy can compare');
    case 'datetime':
      return (raw, at) => (Number.isSafeInteger(raw) ? new Datetime(BigInt(raw as number)) : mismatch(at, 'a time in milliseconds'));
    case 'set': {
      const each = reader(shape.of);
      return (raw, at) => (Array.isArray(raw) ? new CedarSet(raw.map((item) => each(item, at))) : mismatch(at, 'a list'));
    }
    case 'record':
      return recordReader(shape.fields);
  }
}

export function recordReader(fields: Fields): (raw: unknown, at: string) => CedarRecord {
  const parts = partsOf(fields, reader);
  return (raw, at) => {
    const from = asRecord(raw, at);
    const result: Record<string, Value> = {};
    for (const { name, optional, read } of parts) {
      const value = Object.hasOwn(from, name) ? from[name] : undefined;
      if (value !== undefined && value !== null) result[name] = read(value, name);
      else if (!optional) throw new ShapeMismatch(`${at} has no ${name}`);
    }
    return result;
  };
}

/**
 * The same for facts, which Corral itself states: a record of booleans, numbers and strings that fits its shape is used without
 * copying, because copying would be most of the cost of a decision.
 */
export function factsReader(fields: Fields): (raw: unknown, at: string) => CedarRecord {
  const parts = partsOf(fields, (shape) => (shape.kind === 'record' ? factsReader(shape.fields) : reader(shape)));
  const copy = recordReader(fields);
  if (parts.some(({ kind }) => !AS_IT_IS.has(kind))) {
    return (raw, at) => {
      const from = asRecord(raw, at);
      const result: Record<string, Value> = {};
      for (const { name, optional, read } of parts) {
        const value = from[name];
        if (value !== undefined && value !== null) result[name] = read(value, name);
        else if (!optional) throw new ShapeMismatch(`${at} has no ${name}`);
      }
      return result;
    };
  }
  return (raw, at) => {
    const from = asRecord(raw, at);
    for (const { name, optional, read } of parts) {
      const value = from[name];
      if (value === undefined || value === null) {
        if (!optional) throw new ShapeMismatch(`${at} has no ${name}`);
        if (Object.hasOwn(from, name)) return copy(raw, at);
      } else if (read(value, name) !== value) return copy(raw, at);
    }
    return from as CedarRecord;
  };
}

const AS_IT_IS: ReadonlySet<string> = new Set(['bool', 'long', 'string']);

const partsOf = (fields: Fields, make: (shape: Shape) => Reader) =>
  Object.entries(fields).map(([name, { shape, optional }]) => ({ name, kind: shape.kind, optional: optional === true, read: make(shape) }));

function asRecord(raw: unknown, at: string): Readonly<Record<string, unknown>> {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return mismatch(at, 'a record');
  return raw as Readonly<Record<string, unknown>>;
}

type Json = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * The part of a tool's arguments that policies see. `number` becomes a decimal (four digits), `null` an absent attribute, a list a set. A
 * union becomes what all its members have in common; anything else (free-form records, mixed lists, recursion) is not visible and
 * is listed in `unseen`.
 */
export function argumentShape(schema: unknown): { readonly fields: Fields; readonly unseen: readonly string[] } {
  const unseen: string[] = [];
  const found = new Translator(schema, unseen).shape(schema, 'args', 0);
  if (found?.shape.kind === 'record') return { fields: found.shape.fields, unseen };
  return { fields: {}, unseen: unseen.includes('args') ? unseen : [...unseen, 'args'] };
}

/** A shape, and whether null is allowed in its place. */
interface Found {
  readonly shape: Shape;
  readonly nullable: boolean;
}

class Translator {
  readonly #root: unknown;
  readonly #unseen: string[];

  constructor(root: unknown, unseen: string[]) {
    this.#root = root;
    this.#unseen = unseen;
  }

  shape(given: unknown, at: string, depth: number): Found | undefined {
    const found = depth > MAX_DEPTH ? undefined : this.#shape(given, at, depth);
    if (found === undefined && !this.#unseen.includes(at)) this.#unseen.push(at);
    return found;
  }

  #shape(given: unknown, at: string, depth: number): Found | undefined {
    if (!isObject(given)) return undefined;
    if (typeof given['$ref'] === 'string') return this.#shapeOfTarget(given['$ref'], at, depth);
    const union = given['anyOf'] ?? given['oneOf'];
    if (Array.isArray(union)) return this.#union(union, at, depth);
    if (Array.isArray(given['allOf'])) return this.#all(given['allOf'], at, depth);
    if (Array.isArray(given['enum'])) return ofValues(given['enum']);
    if ('const' in given) return ofValues([given['const']]);
    const { type } = given;
    if (Array.isArray(type))
      return this.#union(
        type.map((one: unknown) => ({ ...given, type: one })),
        at,
        depth,
      );
    switch (type) {
      case 'boolean':
        return plain({ kind: 'bool' });
      case 'integer':
        return plain({ kind: 'long' });
      case 'number':
        return plain({ kind: 'decimal' });
      case 'string':
        return plain({ kind: 'string' });
      case 'array': {
        const each = this.shape(given['items'], `${at}[]`, depth + 1);
        return each === undefined || each.nullable ? undefined : plain({ kind: 'set', of: each.shape });
      }
      case 'object':
        return this.#record(given, at, depth);
      default:
        return undefined;
    }
  }

  #shapeOfTarget(ref: string, at: string, depth: number): Found | undefined {
    if (!ref.startsWith('#/')) return undefined;
    let target: unknown = this.#root;
    for (const key of ref.slice(2).split('/'))
      target = isObject(target) ? target[key.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined;
    return this.shape(target, at, depth + 1);
  }

  #record(given: Json, at: string, depth: number): Found | undefined {
    const properties = isObject(given['properties']) ? given['properties'] : undefined;
    if (properties === undefined) return given['additionalProperties'] === false ? plain({ kind: 'record', fields: {} }) : undefined;
    const required = new Set(Array.isArray(given['required']) ? given['required'] : []);
    const fields: Record<string, Field> = {};
    for (const [name, schema] of Object.entries(properties)) {
      if (RESERVED.has(name)) {
        this.#unseen.push(`${at}.${name}`);
        continue;
      }
      const found = this.shape(schema, `${at}.${name}`, depth + 1);
      if (found !== undefined) fields[name] = { shape: found.shape, optional: found.nullable || !required.has(name) };
    }
    return plain({ kind: 'record', fields });
  }

  #union(members: readonly unknown[], at: string, depth: number): Found | undefined {
    const isNull = (member: unknown) => isObject(member) && (member['type'] === 'null' || member['const'] === null);
    const found = members.filter((member) => !isNull(member)).map((member) => this.#shape(member, at, depth + 1));
    const nullable = members.some(isNull) || found.some((one) => one?.nullable === true);
    let shape = found[0]?.shape;
    for (const one of found) shape = shape === undefined || one === undefined ? undefined : this.#either(shape, one.shape, at);
    return shape === undefined ? undefined : { shape, nullable };
  }

  /** The common part of two members of a union; an attribute that only one has is optional. */
  #either(a: Shape, b: Shape, at: string): Shape | undefined {
    if (a.kind === 'record' && b.kind === 'record') {
      const fields: Record<string, Field> = {};
      for (const name of new Set([...Object.keys(a.fields), ...Object.keys(b.fields)])) {
        const [left, right] = [a.fields[name], b.fields[name]];
        const shape =
          left === undefined || right === undefined ? (left ?? right)?.shape : this.#either(left.shape, right.shape, `${at}.${name}`);
        if (shape === undefined) this.#unseen.push(`${at}.${name}`);
        else
          fields[name] = {
            shape,
            optional: left === undefined || right === undefined || left.optional === true || right.optional === true,
          };
      }
      return { kind: 'record', fields };
    }
    if (a.kind === 'set' && b.kind === 'set') {
      const of = this.#either(a.of, b.of, at);
      return of === undefined ? undefined : { kind: 'set', of };
    }
    const numeric = (shape: Shape) => shape.kind === 'long' || shape.kind === 'decimal';
    if (a.kind !== b.kind && numeric(a) && numeric(b)) return { kind: 'decimal' };
    return a.kind === b.kind ? a : undefined;
  }

  #all(members: readonly unknown[], at: string, depth: number): Found | undefined {
    const fields: Record<string, Field> = {};
    for (const member of members) {
      const found = this.#shape(member, at, depth + 1);
      if (found?.shape.kind !== 'record') return undefined;
      for (const [name, field] of Object.entries(found.shape.fields)) {
        if (Object.hasOwn(fields, name)) return undefined;
        fields[name] = field;
      }
    }
    return plain({ kind: 'record', fields });
  }
}

const plain = (shape: Shape): Found => ({ shape, nullable: false });

function ofValues(values: readonly unknown[]): Found | undefined {
  const others = values.filter((value) => value !== null);
  const nullable = others.length < values.length;
  if (others.length === 0) return undefined;
  if (others.every((value) => typeof value === 'string')) return { shape: { kind: 'string' }, nullable };
  if (others.every((value) => typeof value === 'boolean')) return { shape: { kind: 'bool' }, nullable };
  if (others.every((value) => Number.isSafeInteger(value))) return { shape: { kind: 'long' }, nullable };
  if (others.every((value) => typeof value === 'number')) return { shape: { kind: 'decimal' }, nullable };
  return undefined;
}
