/** The option `transfer` of structuredClone: only an ArrayBuffer can be transferred. */
// oxlint-disable typescript/unbound-method -- methods are taken to be called on any receiver
import { bufferLength, isDetached } from './buffers.ts';
import {
  DOMException,
  isA,
  Late,
  mapClear,
  mapEach,
  mapGet,
  mapSet,
  method,
  put,
  setAdd,
  setClear,
  setEach,
  type Frame,
  type Run,
} from './run.ts';

const transferred = method<ArrayBuffer>(ArrayBuffer.prototype.transfer);

/** The member `transfer` of the options, as Web IDL reads it. */
export function transferOf(options: unknown): readonly object[] {
  if (options === undefined || options === null) return [];
  if (typeof options !== 'object' && typeof options !== 'function') throw new TypeError('structuredClone takes its options as an object');
  const { transfer } = options as { readonly transfer?: unknown };
  if (transfer === undefined) return [];
  if ((typeof transfer !== 'object' && typeof transfer !== 'function') || transfer === null)
    throw new TypeError('structuredClone takes a list of what is to be transferred');
  const list: object[] = [];
  for (const one of transfer as Iterable<unknown>) {
    if ((typeof one !== 'object' && typeof one !== 'function') || one === null) throw new TypeError('Only an object can be transferred');
    put(list as never, list.length, one);
  }
  return list;
}

export function lateBuffers(list: readonly object[], memory: Map<object, unknown>): void {
  for (let at = 0; at < list.length; at++) {
    const buffer = list[at] as object;
    if (!isA(buffer, bufferLength)) throw new DOMException('An object of the list is not transferable.', 'DataCloneError');
    if (mapGet(memory, buffer) !== undefined) throw new DOMException('An object is in the list twice.', 'DataCloneError');
    mapSet(memory, buffer, new Late(() => transferred(buffer)));
  }
}

/** Transfers, and puts what comes of it in its places. */
export function settle(list: readonly object[], { memory, holders }: Run): void {
  for (let at = 0; at < list.length; at++)
    if (isDetached(list[at])) throw new DOMException('An ArrayBuffer that is detached is not transferable.', 'DataCloneError');
  for (let at = 0; at < list.length; at++) Late.settle(mapGet(memory, list[at]));
  mapEach(holders, (kind: Frame['kind'], holder: object) => {
    const all: unknown[] = [];
    if (kind === 'map') {
      mapEach(holder, (value: unknown, key: unknown) => put(all as never, all.length, [key, value]));
      mapClear(holder);
      for (let at = 0; at < all.length; at++) {
        const pair = all[at] as readonly [unknown, unknown];
        mapSet(holder, Late.settle(pair[0]), Late.settle(pair[1]));
      }
    } else if (kind === 'set') {
      setEach(holder, (value: unknown) => put(all as never, all.length, value));
      setClear(holder);
      for (let at = 0; at < all.length; at++) setAdd(holder, Late.settle(all[at]));
    } else settleMembers(holder);
  });
}
function settleMembers(holder: object): void {
  const names = Reflect.ownKeys(holder);
  for (let at = 0; at < names.length; at++) {
    const name = names[at] as string;
    const member = Object.getOwnPropertyDescriptor(holder, name) as PropertyDescriptor;
    if (!Late.is(member.value)) continue;
    member.value = Late.settle(member.value);
    Object.defineProperty(holder, name, member);
  }
}
