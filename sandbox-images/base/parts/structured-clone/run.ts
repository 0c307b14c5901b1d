/** Shared by the files of structuredClone: V8's methods, taken when the part is loaded, and the state of one call. */
// oxlint-disable typescript/unbound-method -- methods are taken to be called on any receiver
import type { DOMException as ExceptionClass } from '../dom-exception.ts';

/** Copies an object; undefined: it only has the prototype of such objects. */
export type Copy = (value: object, run: Run) => unknown;

const bindTo = Function.prototype.bind;
export const method = bindTo.bind(Function.prototype.call) as unknown as <R = unknown>(
  method: unknown,
) => (self: unknown, ...args: unknown[]) => R;
export const getter = <R>(of: object, name: PropertyKey) => method<R>(Object.getOwnPropertyDescriptor(of, name)?.get);

export const mapGet = method(Map.prototype.get);
export const mapSet = method(Map.prototype.set);
export const mapEach = method(Map.prototype.forEach);
export const mapSize = getter<number>(Map.prototype, 'size');
export const mapClear = method(Map.prototype.clear);
export const setAdd = method(Set.prototype.add);
export const setEach = method(Set.prototype.forEach);
export const setSize = getter<number>(Set.prototype, 'size');
export const setClear = method(Set.prototype.clear);

/** With no prototype, like each table that is asked by a name: an agent may have put that name on Object.prototype. */
export const table = <T>(of: Readonly<Record<string, T>>): Readonly<Record<string, T | undefined>> => ({ __proto__: null, ...of }) as never;

/** The class that the part `web` made. */
export let DOMException: typeof ExceptionClass;
export const giveException = (given: typeof ExceptionClass): void => {
  DOMException = given;
};
export const refused = (what: string) => new DOMException(`${what} cannot be cloned.`, 'DataCloneError');

/** Whether a getter of V8 takes it for one of its own. */
export function isA(value: object, asks: (value: object) => unknown): boolean {
  try {
    return asks(value) !== undefined;
  } catch {
    return false;
  }
}

const DATA = { __proto__: null, value: undefined, writable: true, enumerable: true, configurable: true } as PropertyDescriptor;
/** Creates a property, whatever the prototypes have under its name. */
export function put(on: Frame['to'], key: PropertyKey, value: unknown): void {
  if (!(key in on)) {
    on[key] = value;
    return;
  }
  DATA.value = value;
  Object.defineProperty(on, key, DATA);
  DATA.value = undefined;
}
export const hide = (on: object, key: PropertyKey, value: unknown): unknown =>
  Object.defineProperty(on, key, { __proto__: null, value, writable: true, enumerable: false, configurable: true } as PropertyDescriptor);

/** A value that the copy has once the buffers are transferred. Its holders have this in its place until then. */
export class Late {
  readonly #make: () => unknown;
  #made: unknown;
  #isMade = false;

  constructor(make: () => unknown) {
    this.#make = make;
  }
  get made(): unknown {
    if (!this.#isMade) this.#made = this.#make();
    this.#isMade = true;
    return this.#made;
  }
  static settle(value: unknown): unknown {
    return Late.is(value) ? value.made : value;
  }
  static is(value: unknown): value is Late {
    return typeof value === 'object' && value !== null && #make in value;
  }
}

/** An object of which members are still to be copied. */
export interface Frame {
  readonly kind: 'members' | 'items' | 'map' | 'set' | 'error';
  readonly from: Record<PropertyKey, unknown>;
  readonly to: Record<PropertyKey, unknown>;
  /** Names of members, or what a collection had. */
  readonly list: readonly unknown[];
  readonly under: Frame | undefined;
  /** The items of an array without holes come before the list. */
  readonly dense: number;
  readonly end: number;
  at: number;
  /** The copied key of a Map whose value is next. */
  key: unknown;
}
export interface Run {
  readonly memory: Map<object, unknown>;
  readonly copy: (value: object) => unknown;
  readonly kinds: Map<object, Copy>;
  /** Adds to `kinds` the classes of parts that were evaluated since, such as by a getter. */
  readonly learn: () => void;
  /** Copies that have something Late in them. */
  readonly holders: Map<object, Frame['kind']>;
  readonly hasLate: boolean;
  top: Frame | undefined;
}
