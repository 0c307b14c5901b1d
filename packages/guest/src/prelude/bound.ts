/**
 * V8's own functions, taken before an agent can replace them. The build of the image (sandbox-images/base/bind.ts) rewrites the
 * other files of the prelude so that each call of a method of V8, each loop and each spread goes through a function of this file:
 * `list.map(f)` becomes `$map(list, f)`. It stops where this file has no such function.
 *
 * Some of V8's methods call what an agent can replace: `map` asks the array for its class, `push` calls setters of Array.prototype,
 * `split` looks for a method at its separator. Those are written out here. This file itself is not rewritten, so it uses no method,
 * no loop with `of` and no spread of an array after it was loaded.
 */
// oxlint-disable typescript/no-explicit-any, typescript/unbound-method -- receivers are of any kind; methods are applied to their own objects

type Any = any;
type Call = (...args: Any[]) => Any;

const { apply, defineProperty, getOwnPropertyDescriptor, getPrototypeOf } = Reflect;
const { hasOwn, defineProperty: defineOrThrow } = Object;
const { isArray } = Array;
const { isView } = ArrayBuffer;
const bindTo = Function.prototype.bind;
/** Turns a method into a function whose first argument is the receiver. */
const method = bindTo.bind(Function.prototype.call) as (method: unknown) => Call;
const getter = (of: object, name: PropertyKey): Call => method(getOwnPropertyDescriptor(of, name)?.get);

const OfMap = Map.prototype;
const OfSet = Set.prototype;
const OfWeakMap = WeakMap.prototype;
const OfWeakSet = WeakSet.prototype;
const OfPromise = Promise.prototype;
const OfDate = Date.prototype;
const ThePromise = Promise;

/** A data property, whatever setters the object's prototypes have. */
export const $put = (on: Any, key: PropertyKey, value: unknown): void => {
  DATA.value = value;
  defineProperty(on as object, key, DATA);
  DATA.value = undefined;
};
/** Descriptors have no prototype, because V8 looks for `get` there. Each is made once, because such objects are slow to make. */
const DATA = { __proto__: null, value: undefined, writable: true, enumerable: true, configurable: true } as PropertyDescriptor;
const HIDDEN = { __proto__: null, value: undefined, writable: true, enumerable: false, configurable: true } as PropertyDescriptor;
const unset = (): unknown => undefined;
const ACCESS = { __proto__: null, get: unset, set: unset, enumerable: false, configurable: true } as PropertyDescriptor;

/** Object.defineProperty for a property as V8's own are: writable, configurable and not enumerable. */
export const $hide = (on: Any, key: PropertyKey, value: unknown): Any => {
  HIDDEN.value = value;
  return defineOrThrow(on, key, HIDDEN);
};
/** The same for an accessor. */
export const $access = (on: Any, key: PropertyKey, get: Any, set: Any): Any => {
  ACCESS.get = get as () => unknown;
  ACCESS.set = set as (value: unknown) => void;
  return defineOrThrow(on, key, ACCESS);
};

// Iteration

interface Step {
  readonly done: boolean;
  readonly value: unknown;
}
/** An iterator that has nothing from a prototype. */
const iterator = (next: () => Step): Any => ({
  __proto__: null,
  next,
  return: undefined,
  [Symbol.iterator](this: unknown) {
    return this;
  },
});
const viewLength = getter(getPrototypeOf(Uint8Array.prototype) as object, 'length');
const nextOfMap = method((getPrototypeOf(new Map().entries()) as { next: unknown }).next);
const nextOfSet = method((getPrototypeOf(new Set().entries()) as { next: unknown }).next);

function over(list: Any, item: (at: number) => unknown = (at) => list[at]): Any {
  const isBytes = isView(list);
  const step = { __proto__: null, done: false, value: undefined as unknown };
  let at = 0;
  return iterator(() => {
    step.done = at >= (isBytes ? viewLength(list) : list.length);
    step.value = step.done ? undefined : item(at);
    at += 1;
    return step;
  });
}
const mapEntries = method(OfMap.entries);
const mapKeys = method(OfMap.keys);
const mapValues = method(OfMap.values);
const setValues = method(OfSet.values);

/** Makes a value iterable: an array by index, a Map or a Set by V8's own iterator; everything else is returned as it is. */
export const $each = (of: Any): Any => {
  if (isArray(of) || (isView(of) && getPrototypeOf(getPrototypeOf(of) as object) !== Object.prototype)) return over(of);
  const prototype = typeof of === 'object' && of !== null ? getPrototypeOf(of) : undefined;
  if (prototype === OfMap) return $entries(of);
  return prototype === OfSet ? $values(of) : of;
};
/** The same as an array, for a loop by index. */
export const $list = (of: Any): Any[] => (isArray(of) ? of : [...$each(of)]);
export const $entries = (of: Any): Any => {
  if (isArray(of)) return over(of, (at) => [at, of[at] as unknown]);
  if (getPrototypeOf(of) !== OfMap) return of.entries();
  const inner = mapEntries(of);
  return iterator(() => nextOfMap(inner) as Step);
};
export const $keys = (of: Any): Any => {
  if (getPrototypeOf(of) !== OfMap) return of.keys();
  const inner = mapKeys(of);
  return iterator(() => nextOfMap(inner) as Step);
};
export const $values = (of: Any): Any => {
  const isMap = getPrototypeOf(of) === OfMap;
  if (!isMap && getPrototypeOf(of) !== OfSet) return of.values();
  const inner = isMap ? mapValues(of) : setValues(of);
  return iterator(() => (isMap ? nextOfMap(inner) : nextOfSet(inner)) as Step);
};

// Arrays

const included = method(Array.prototype.includes);
const itemAt = method(Array.prototype.at);
const joined = method(Array.prototype.join);
const everyOf = method(Array.prototype.every);
const someOf = method(Array.prototype.some);
const reduced = method(Array.prototype.reduce);
const lastOf = method(Array.prototype.findLast);
const shifted = method(Array.prototype.shift);

export const $push = (on: Any, item: unknown): Any => {
  if (!isArray(on)) return on.push(item);
  $put(on, on.length, item);
  return on.length;
};
export const $pop = (list: Any[]): Any => {
  if (list.length === 0) return undefined;
  const last: unknown = list[list.length - 1];
  list.length -= 1;
  return last;
};
export const $shift = (list: Any[]): Any => shifted(list);
export const $unshift = (list: Any[], item: unknown): void => {
  for (let at = list.length; at > 0; at--) $put(list, at, list[at - 1]);
  $put(list, 0, item);
};
/** Takes all items out. */
export const $splice = (list: Any[], from: 0): Any[] => {
  const all = $slice(list, from);
  list.length = from;
  return all;
};
export const $map = (list: Any, to: Call): Any => {
  if (!isArray(list)) return list.map(to);
  const made: unknown[] = [];
  for (let at = 0; at < list.length; at++) $put(made, at, to(list[at], at, list));
  return made;
};
export const $filter = (list: Any, keeps: Call): Any => {
  if (!isArray(list)) return list.filter(keeps);
  const made: unknown[] = [];
  for (let at = 0; at < list.length; at++) if (keeps(list[at], at, list)) $put(made, made.length, list[at]);
  return made;
};
const textSlice = method(String.prototype.slice);
export const $slice = (of: Any, from: number, to?: number): Any => {
  if (!isArray(of)) return typeof of === 'string' ? textSlice(of, from, to) : of.slice(from, to);
  const length = of.length;
  const begin = from < 0 ? Math.max(0, length + from) : from;
  const end = to === undefined ? length : to < 0 ? length + to : Math.min(to, length);
  const made: unknown[] = [];
  for (let at = begin; at < end; at++) $put(made, made.length, of[at]);
  return made;
};
const textIncludes = method(String.prototype.includes);
export const $includes = (of: Any, what: unknown): boolean =>
  isArray(of) ? included(of, what) : typeof of === 'string' ? textIncludes(of, what) : of.includes(what);
export const $at = (of: Any, index: number): Any => (isArray(of) ? itemAt(of, index) : of.at(index));
export const $join = (list: Any[], by: string): string => joined(list, by);
export const $every = (list: Any[], holds: Call): boolean => everyOf(list, holds);
export const $some = (list: Any[], holds: Call): boolean => someOf(list, holds);
export const $reduce = (list: Any[], with_: Call, from: unknown): Any => reduced(list, with_, from);
export const $findLast = (list: Any[], holds: Call): Any => lastOf(list, holds);

// Texts

const found = method(String.prototype.indexOf);
export const $split = (text: string, by: string): string[] => {
  const parts: string[] = [];
  let from = 0;
  for (let at: number = found(text, by); at !== -1; at = found(text, by, from)) {
    $put(parts, parts.length, textSlice(text, from, at));
    from = at + by.length;
  }
  $put(parts, parts.length, textSlice(text, from));
  return parts;
};
export const $replaceAll = (text: string, what: string, by: string): string => joined($split(text, what), by);
export const $trim: (text: string) => string = method(String.prototype.trim);
export const $trimStart: (text: string) => string = method(String.prototype.trimStart);
export const $trimEnd: (text: string) => string = method(String.prototype.trimEnd);
export const $padEnd: (text: string, length: number) => string = method(String.prototype.padEnd);
export const $endsWith: (text: string, end: string) => boolean = method(String.prototype.endsWith);
export const $startsWith: (text: string, begin: string) => boolean = method(String.prototype.startsWith);
export const $charCodeAt: (text: string, at: number) => number = method(String.prototype.charCodeAt);
export const $indexOf: (text: string, what: string, from?: number) => number = method(String.prototype.indexOf);
const repeated = method(String.prototype.repeat);
/** Timers have a method of this name too. */
export const $repeat = (of: Any, ...args: Any[]): Any => (typeof of === 'string' ? repeated(of, args[0]) : of.repeat(args[0], args[1]));

const exec = RegExp.prototype.exec;
const tested = method(RegExp.prototype.test);
/** A regular expression of the prelude. Few runs need one, so it is made when it is first tested. */
interface Pattern {
  readonly make: () => RegExp;
  made: RegExp | undefined;
}
export const $regexp = (make: () => RegExp): Pattern => ({ make, made: undefined });
export const $test = (pattern: Pattern, text: string): boolean => {
  if (pattern.made === undefined) {
    pattern.made = pattern.make();
    // V8's `test` calls the method `exec` of its object; this gives it one of its own.
    defineProperty(pattern.made, 'exec', { __proto__: null, value: exec } as PropertyDescriptor);
  }
  return tested(pattern.made, text);
};

// Maps and sets

const [mapGet, mapSet, mapHas, mapDelete] = [method(OfMap.get), method(OfMap.set), method(OfMap.has), method(OfMap.delete)];
const [weakGet, weakSet, weakHas] = [method(OfWeakMap.get), method(OfWeakMap.set), method(OfWeakMap.has)];
const [setAdd, setHas, setDelete] = [method(OfSet.add), method(OfSet.has), method(OfSet.delete)];
const [inWeakSet, addToWeakSet] = [method(OfWeakSet.has), method(OfWeakSet.add)];
const [mapClear, setClear] = [method(OfMap.clear), method(OfSet.clear)];
const [mapSize, setSize] = [getter(OfMap, 'size'), getter(OfSet, 'size')];
const deleteWeak = method(OfWeakMap.delete);

export const $get = (on: Any, key: unknown): Any => {
  const of = getPrototypeOf(on);
  return of === OfMap ? mapGet(on, key) : of === OfWeakMap ? weakGet(on, key) : on.get(key);
};
export const $set = (on: Any, key: unknown, value: unknown): Any => {
  const of = getPrototypeOf(on);
  return of === OfMap ? mapSet(on, key, value) : of === OfWeakMap ? weakSet(on, key, value) : on.set(key, value);
};
export const $has = (on: Any, key: unknown): boolean => {
  const of = getPrototypeOf(on);
  if (of === OfMap) return mapHas(on, key);
  if (of === OfSet) return setHas(on, key);
  return of === OfWeakMap ? weakHas(on, key) : of === OfWeakSet ? inWeakSet(on, key) : on.has(key);
};
export const $delete = (on: Any, key: unknown): boolean => {
  const of = getPrototypeOf(on);
  return of === OfMap ? mapDelete(on, key) : of === OfSet ? setDelete(on, key) : of === OfWeakMap ? deleteWeak(on, key) : on.delete(key);
};
export const $add = (on: Any, value: unknown): Any => {
  const of = getPrototypeOf(on);
  return of === OfSet ? setAdd(on, value) : of === OfWeakSet ? addToWeakSet(on, value) : on.add(value);
};
export const $clear = (on: Any): void =>
  getPrototypeOf(on) === OfMap ? mapClear(on) : getPrototypeOf(on) === OfSet ? setClear(on) : on.clear();
export const $size = (on: Any): number =>
  getPrototypeOf(on) === OfMap ? mapSize(on) : getPrototypeOf(on) === OfSet ? setSize(on) : on.size;

// Functions, dates, classes

export const $call = (what: Any, self: unknown, ...args: unknown[]): Any =>
  typeof what === 'function' ? apply(what as Call, self, args) : what.call(self, args[0]);
const dateText = method(OfDate.toString);
export const $toString = (of: Any): string => (typeof of === 'object' && getPrototypeOf(of) === OfDate ? dateText(of) : of.toString());
export const $getTime: (of: Date) => number = method(OfDate.getTime);
const instanceOf = method(Function.prototype[Symbol.hasInstance]);
export const $isA = (value: unknown, made: unknown): boolean => instanceOf(made, value);

// Promises

const then = method(OfPromise.then);
/** Reads a property's value or getter, and nothing that Object.prototype has under these names. */
const ownPart = (on: object, key: PropertyKey, part: 'value' | 'get'): unknown => {
  const own = getOwnPropertyDescriptor(on, key);
  return own !== undefined && hasOwn(own, part) ? own[part] : undefined;
};
let TheThen: unknown = OfPromise.then;
/** In isolates with asynchronous contexts, promises are born with another `then` than V8's. */
export const $thenIs = (theirs: unknown): void => {
  TheThen = theirs;
};
const species = ownPart(ThePromise, Symbol.species, 'get');
const hasTheirClass = () => ownPart(OfPromise, 'constructor', 'value') === ThePromise;
/** Whether promises still have the class and the `then` that they were born with. */
const isAsBorn = () =>
  hasTheirClass() && ownPart(OfPromise, 'then', 'value') === TheThen && ownPart(ThePromise, Symbol.species, 'get') === species;
const isPlain = (value: unknown): value is object => typeof value === 'object' && value !== null && getPrototypeOf(value) === OfPromise;
const give = (promise: object, key: PropertyKey, value: unknown): void => {
  defineProperty(promise, key, { __proto__: null, value, configurable: true } as PropertyDescriptor);
};

/** Wraps the operand of `await`. V8 asks a promise for its class, so a promise gets one of its own once an agent has replaced that of all. */
export const $awaited = (value: Any): Any => {
  if (isPlain(value) && !hasTheirClass()) give(value, 'constructor', ThePromise);
  return value;
};
/** Wraps the result of an async function. V8 calls the `then` of a promise, which makes plain ones for a promise without a class. */
export const $returned = (value: Any): Any => {
  if (isPlain(value) && !isAsBorn()) {
    give(value, 'constructor', undefined);
    give(value, 'then', TheThen);
  }
  return value;
};
export const $then = (on: Any, fulfilled?: unknown, rejected?: unknown): Any => {
  if (!isPlain(on)) return on.then(fulfilled, rejected);
  if (!isAsBorn()) give(on, 'constructor', undefined);
  return then(on, fulfilled, rejected);
};
