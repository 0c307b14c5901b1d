/**
 * Cedar's values in the closures. A long is a number if that is exact, else a bigint, so that equality is `===` and the usual
 * case is cheap; a record is a plain object, of which only own members are read.
 */
import { Datetime, Decimal, Duration, IpAddress, type Extension } from './extension.ts';

/** An evaluation that ends in an error in Cedar too. */
export class EvaluationError extends Error {
  override readonly name = 'EvaluationError';
}

/** The closures do not know this construct: the engine itself must answer. */
export class UnsupportedConstruct extends Error {
  override readonly name = 'UnsupportedConstruct';
}

export class Entity {
  readonly type: string;
  readonly id: string;
  /** Unique among all entities. */
  readonly key: string;

  constructor(type: string, id: string) {
    this.type = type;
    this.id = id;
    this.key = entityKey(type, id);
  }
}

/** A type is a path of identifiers and so cannot contain the separator. */
export const entityKey = (type: string, id: string): string => `${type}\0${id}`;

export type Long = number | bigint;
export type Value = boolean | string | Long | Entity | CedarSet | Extension | CedarRecord;
export interface CedarRecord {
  readonly [name: string]: Value;
}

const isPrimitive = (value: Value) => typeof value !== 'object';

/** A set keeps its items in the order of listing; duplicates do not matter to any operation. */
export class CedarSet {
  readonly items: readonly Value[];
  #index: Set<Value> | undefined;
  #mixed = false;

  constructor(items: readonly Value[]) {
    this.items = items;
  }

  has(value: Value): boolean {
    if (this.items.length > 8) {
      if (this.#index === undefined) {
        this.#index = new Set(this.items.filter(isPrimitive));
        this.#mixed = this.items.some((item) => !isPrimitive(item));
      }
      if (isPrimitive(value)) return this.#index.has(value);
      if (!this.#mixed) return false;
    }
    return this.items.some((item) => equal(item, value));
  }

  hasAll(other: CedarSet): boolean {
    return other.items.every((item) => this.has(item));
  }

  hasAny(other: CedarSet): boolean {
    return other.items.some((item) => this.has(item));
  }
}

export function isRecord(value: Value): value is CedarRecord {
  return (
    typeof value === 'object' &&
    !(
      value instanceof Entity ||
      value instanceof CedarSet ||
      value instanceof Decimal ||
      value instanceof Datetime ||
      value instanceof Duration ||
      value instanceof IpAddress
    )
  );
}

/** Cedar's `==`: never an error, and false between values of different types. */
export function equal(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object') return false;
  if (a instanceof Entity) return b instanceof Entity && a.key === b.key;
  if (a instanceof CedarSet) return b instanceof CedarSet && a.hasAll(b) && b.hasAll(a);
  if (a instanceof Decimal) return b instanceof Decimal && a.units === b.units;
  if (a instanceof Datetime) return b instanceof Datetime && a.ms === b.ms;
  if (a instanceof Duration) return b instanceof Duration && a.ms === b.ms;
  if (a instanceof IpAddress) return b instanceof IpAddress && a.equals(b);
  if (!isRecord(b)) return false;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && equal(a[name] as Value, b[name] as Value))
  );
}

const I64_MIN = -(2n ** 63n);
const I64_MAX = 2n ** 63n - 1n;

/** The normal form of a long: a number if that is exact. Beyond 64 bits it is an overflow, which is an error in Cedar. */
export function long(value: bigint): Long {
  if (value < I64_MIN || value > I64_MAX) throw new EvaluationError('integer overflow');
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

export const isLong = (value: Value): value is Long => typeof value === 'number' || typeof value === 'bigint';

export function add(a: Long, b: Long): Long {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return long(BigInt(a) + BigInt(b));
}

export function subtract(a: Long, b: Long): Long {
  if (typeof a === 'number' && typeof b === 'number') {
    const difference = a - b;
    if (Number.isSafeInteger(difference)) return difference;
  }
  return long(BigInt(a) - BigInt(b));
}

export function multiply(a: Long, b: Long): Long {
  if (typeof a === 'number' && typeof b === 'number') {
    const product = a * b;
    if (Number.isSafeInteger(product)) return product;
  }
  return long(BigInt(a) * BigInt(b));
}
