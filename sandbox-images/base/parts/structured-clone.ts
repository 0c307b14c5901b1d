/**
 * `structuredClone` as the HTML Standard has it: StructuredSerializeWithTransfer and StructuredDeserializeWithTransfer
 * (https://html.spec.whatwg.org/multipage/structured-data.html#safe-passing-of-structured-data).
 *
 * The standard serializes, transfers, and then builds. Here the copy is built at once, in the order in which the standard serializes: both
 * are in one realm, and no code of the agent sees the copy before it is whole. Only what the standard knows after the transfer is put in at
 * the end: see Late. A value can be as deep as memory allows: what is being copied is a list, and not frames of the stack.
 *
 * An object's kind is looked up by its prototypes; what is cloned as a kind is confirmed by a getter of V8 or a private field. So an agent's
 * own classes cost little and may have any name. An object whose prototypes were replaced is cloned as a plain object, and so are a proxy of
 * an object and `arguments`, because JavaScript cannot recognize them; one that only inherits from a class that is refused is refused.
 */
// oxlint-disable typescript/unbound-method -- methods are taken to be called on any receiver
import type { DOMException as ExceptionClass, exceptionCopy as ExceptionCopy } from './dom-exception.ts';
import { copyBuffer, copyDataView, copyTyped } from './structured-clone/buffers.ts';
import {
  DOMException,
  getter,
  giveException,
  hide,
  isA,
  Late,
  mapEach,
  mapGet,
  mapSet,
  mapSize,
  method,
  put,
  refused,
  setAdd,
  setEach,
  setSize,
  table,
  type Copy,
  type Frame,
  type Run,
} from './structured-clone/run.ts';
import { lateBuffers, settle, transferOf } from './structured-clone/transfer.ts';

type Made = Readonly<Record<string, unknown>>;
/** The parts of the image that were evaluated, with what they made. */
type Loaded = ReadonlyMap<string, Made>;

const timeOf = method<number>(Date.prototype.getTime);
const sourceOf = getter<string>(RegExp.prototype, 'source');
const FLAGS = Object.entries({
  hasIndices: 'd',
  global: 'g',
  ignoreCase: 'i',
  multiline: 'm',
  dotAll: 's',
  unicode: 'u',
  unicodeSets: 'v',
  sticky: 'y',
}).map(([name, flag]) => [getter<boolean | undefined>(RegExp.prototype, name), flag] as const);

const OfIntrinsics = globalThis as unknown as Readonly<Record<string, { readonly prototype?: object } | undefined>>;
const ERRORS = table({ Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError });

let exceptionCopy: typeof ExceptionCopy;

const refuse = (name: string): Copy => {
  return () => {
    throw refused(`An object of the class ${name}`);
  };
};
const { hasOwn, keys: keysOf } = Object;
const { getPrototypeOf } = Reflect;
const OfObject: unknown = Object.prototype;

function push(run: Run, kind: Frame['kind'], from: object, to: object, list: readonly unknown[], dense = 0): object {
  const { top: under } = run;
  run.top = {
    kind,
    from: from as Frame['from'],
    to: to as Frame['to'],
    list,
    under,
    dense,
    end: dense + list.length,
    at: 0,
    key: undefined,
  };
  return to;
}

function copyOf(value: unknown, run: Run): unknown {
  switch (typeof value) {
    case 'object':
      break;
    case 'function':
      throw refused('A function');
    case 'symbol':
      throw refused('A symbol');
    default:
      return value;
  }
  if (value === null) return null;
  const before = mapGet(run.memory, value);
  if (before !== undefined) return before;
  const made = begin(value, run);
  mapSet(run.memory, value, made);
  return made;
}

/** Makes the copy of an object, whose members follow. */
function begin(value: object, run: Run): unknown {
  if (Array.isArray(value)) return beginArray(value, run);
  const first = getPrototypeOf(value);
  if (first !== OfObject) {
    run.learn();
    for (let of = first; of !== null && of !== OfObject; of = getPrototypeOf(of)) {
      const made = (mapGet(run.kinds, of) as Copy | undefined)?.(value, run);
      if (made !== undefined) return made;
    }
  }
  const names = keysOf(value);
  return names.length === 0 ? {} : push(run, 'members', value, {}, names);
}

function beginArray(value: readonly unknown[], run: Run): object {
  const names = keysOf(value);
  const { length } = value;
  const to: unknown[] = [];
  // Indexes come first, in their order.
  const isDense = length > 0 && names.length >= length && names[length - 1] === `${length - 1}`;
  if (!isDense) {
    to.length = length;
    return names.length === 0 ? to : push(run, 'members', value, to, names);
  }
  // The names of the items are let go of at once: a long list has many.
  const others: string[] = [];
  for (let at = length; at < names.length; at++) put(others as never, others.length, names[at]);
  return push(run, 'items', value, to, others, length);
}

/** Copies members until one has members of its own, which are copied first: getters run in that order. */
function fill(frame: Frame, run: Run): void {
  const { kind } = frame;
  if (kind === 'items') fillItems(frame, run);
  else if (kind === 'members') fillMembers(frame, run);
  else
    while (frame.at < frame.end && run.top === frame) {
      const { at, list } = frame;
      frame.at = at + 1;
      collect(frame, copyOf(list[at], run), run, at);
    }
}

function fillMembers(frame: Frame, run: Run): void {
  const { from, to, list, dense, end } = frame;
  let { at } = frame;
  while (at < end) {
    const key = list[at++ - dense] as string;
    const value = from[key];
    // A getter may have deleted it. A value of the prototypes is then cloned in its place, since a check of each member would be slow.
    if (value === undefined && !hasOwn(from, key)) continue;
    if (isPrimitive(value)) {
      put(to, key, value);
      continue;
    }
    frame.at = at;
    const made = copyOf(value, run);
    if (run.hasLate && Late.is(made)) mapSet(run.holders, to, 'members');
    put(to, key, made);
    if (run.top !== frame) return;
  }
  frame.at = at;
}

function fillItems(frame: Frame, run: Run): void {
  const from = frame.from as unknown as readonly unknown[];
  const to = frame.to as unknown as unknown[];
  const { dense } = frame;
  let { at } = frame;
  while (at < dense) {
    const index = at++;
    const value = from[index];
    if (value === undefined && !hasOwn(from, index)) {
      to.length = at;
      continue;
    }
    if (isPrimitive(value)) {
      if (index in to) put(frame.to, index, value);
      else to[index] = value;
      continue;
    }
    frame.at = at;
    const made = copyOf(value, run);
    if (run.hasLate && Late.is(made)) mapSet(run.holders, to, 'items');
    put(frame.to, index, made);
    if (run.top !== frame) return;
  }
  frame.at = at;
  if (at < frame.end) fillMembers(frame, run);
}
const isPrimitive = (value: unknown): boolean =>
  value === null || (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol');

function collect(frame: Frame, made: unknown, run: Run, at: number): void {
  const { kind, to } = frame;
  if (run.hasLate && Late.is(made)) mapSet(run.holders, to, kind);
  if (kind === 'error') hide(to, 'cause', made);
  else if (kind === 'set') setAdd(to, made);
  else if (at % 2 === 0) frame.key = made;
  else mapSet(to, frame.key, made);
}

const boxed = (of: { readonly prototype: { valueOf: () => unknown } }): Copy => {
  const inner = method(of.prototype.valueOf);
  return (value) => (isA(value, inner) ? Object(inner(value)) : undefined);
};

const copyDate: Copy = (value) => (isA(value, timeOf) ? new Date(timeOf(value)) : undefined);

const copyRegExp: Copy = (value) => {
  // The getter returns undefined for RegExp.prototype, which is not a regular expression.
  if (!isA(value, (one) => FLAGS[0]?.[0](one))) return undefined;
  let flags = '';
  for (let at = 0; at < FLAGS.length; at++) {
    const [has, flag] = FLAGS[at] as (typeof FLAGS)[number];
    if (has(value) === true) flags += flag;
  }
  return new RegExp(sourceOf(value), flags);
};

const copyMap: Copy = (value, run) => {
  if (!isA(value, mapSize)) return undefined;
  const list: unknown[] = [];
  mapEach(value, (item: unknown, key: unknown) => {
    put(list as never, list.length, key);
    put(list as never, list.length, item);
  });
  return push(run, 'map', value, new Map(), list);
};
const copySet: Copy = (value, run) => {
  if (!isA(value, setSize)) return undefined;
  const list: unknown[] = [];
  setEach(value, (item: unknown) => put(list as never, list.length, item));
  return push(run, 'set', value, new Set(), list);
};

const copyError: Copy = (value, run) => {
  if (!Error.isError(value)) return undefined;
  const source = value;
  const { name } = source as { readonly name: unknown };
  const text = Object.getOwnPropertyDescriptor(source, 'message');
  const message = text !== undefined && hasOwn(text, 'value') ? `${text.value}` : undefined;
  const Class = (typeof name === 'string' ? ERRORS[name] : undefined) ?? Error;
  const made = new Class();
  if (message !== undefined) hide(made, 'message', message);
  copyStack(source, made);
  return hasOwn(source, 'cause') ? push(run, 'error', source, made, [source.cause]) : made;
};
function copyStack(from: Error, to: Error): void {
  const stack: unknown = hasOwn(from, 'stack') ? from.stack : undefined;
  if (typeof stack === 'string') hide(to, 'stack', stack);
  else delete to.stack;
}
const copyException: Copy = (value) => {
  const made = exceptionCopy(value);
  if (made !== undefined) copyStack(value as Error, made);
  return made;
};

/** V8's classes whose objects cannot be cloned. */
const REFUSED = `Promise WeakMap WeakSet WeakRef FinalizationRegistry SharedArrayBuffer DisposableStack AsyncDisposableStack Symbol`;

function intrinsicKinds(): Map<object, Copy> {
  const kinds = new Map<object, Copy>();
  const give = (of: object | undefined, copy: Copy) => of === undefined || mapSet(kinds, of, copy);
  for (const name of REFUSED.split(' ')) give(OfIntrinsics[name]?.prototype, refuse(name));
  for (const name of ['Intl', 'Temporal'])
    for (const member of Object.getOwnPropertyNames(OfIntrinsics[name] ?? {}))
      give((OfIntrinsics[name] as unknown as typeof OfIntrinsics)[member]?.prototype, refuse(`${name}.${member}`));
  const iterators = [
    [][Symbol.iterator](),
    new Map().keys(),
    new Set().keys(),
    ''[Symbol.iterator](),
    'a'.matchAll(/a/g),
    [].values().map(Number),
  ];
  for (const one of iterators) give(getPrototypeOf(one) ?? undefined, refuse('Iterator'));
  give((getPrototypeOf(function* () {}) as { prototype: object }).prototype, refuse('Generator'));
  give((getPrototypeOf(async function* () {}) as { prototype: object }).prototype, refuse('AsyncGenerator'));
  for (const of of [Boolean, Number, String, BigInt]) give(of.prototype, boxed(of));
  give(Date.prototype, copyDate);
  give(RegExp.prototype, copyRegExp);
  give(Map.prototype, copyMap);
  give(Set.prototype, copySet);
  give(Error.prototype, copyError);
  give(ArrayBuffer.prototype, copyBuffer);
  give(getPrototypeOf(Uint8Array.prototype) ?? undefined, copyTyped);
  give(DataView.prototype, copyDataView);
  give(DOMException.prototype, copyException);
  return kinds;
}

/** Adds the classes of the parts: a part that was not evaluated has made no object. */
function addKinds(kinds: Map<object, Copy>, loaded: Loaded): void {
  mapEach(loaded, (made: Made) => {
    const { copyOf: copy } = made as { readonly copyOf?: Copy };
    const names = keysOf(made);
    for (let at = 0; at < names.length; at++) {
      const name = names[at] as string;
      const of: unknown = typeof made[name] === 'function' ? (made[name] as { readonly prototype?: unknown }).prototype : undefined;
      if (typeof of === 'object' && of !== null && mapGet(kinds, of) === undefined) mapSet(kinds, of, copy ?? refuse(name));
    }
  });
}

interface Needs {
  readonly loaded: Loaded;
  readonly DOMException: typeof ExceptionClass;
  readonly exceptionCopy: typeof ExceptionCopy;
}

/** @returns structuredClone, of the arguments that it is called with */
export default function make(needs: Needs): (given: readonly unknown[]) => unknown {
  giveException(needs.DOMException);
  ({ exceptionCopy } = needs);
  const { loaded } = needs;
  const kinds = intrinsicKinds();
  let parts = 0;
  const learn = () => {
    const now = mapSize(loaded);
    if (parts !== now) addKinds(kinds, loaded);
    parts = now;
  };
  return (given) => {
    if (given.length === 0) throw new TypeError('structuredClone takes a value');
    const list = transferOf(given[1]);
    const run: Run = {
      memory: new Map(),
      copy: (value) => copyOf(value, run),
      kinds,
      learn,
      holders: new Map(),
      hasLate: list.length > 0,
      top: undefined,
    };
    lateBuffers(list, run.memory);
    const made = copyOf(given[0], run);
    while (run.top !== undefined)
      if (run.top.at < run.top.end) fill(run.top, run);
      else run.top = run.top.under;
    settle(list, run);
    return Late.settle(made);
  };
}
