/** Copies of buffers and of views of them for structuredClone. Views of one buffer have one in the copy too. */
// oxlint-disable typescript/unbound-method -- methods are taken to be called on any receiver
import { getter, isA, Late, method, refused, table, type Copy, type Run } from './run.ts';

const OfBuffer = ArrayBuffer.prototype;
export const bufferLength = getter<number>(OfBuffer, 'byteLength');
const bufferMost = getter<number>(OfBuffer, 'maxByteLength');
const isResizable = getter<boolean>(OfBuffer, 'resizable');
export const isDetached = getter<boolean>(OfBuffer, 'detached');
const resize = method(OfBuffer.resize);

const OfTyped = Object.getPrototypeOf(Uint8Array.prototype) as object & Uint8Array;
const kindOfTyped = getter<string | undefined>(OfTyped, Symbol.toStringTag);
const typedBuffer = getter<ArrayBuffer>(OfTyped, 'buffer');
const typedOffset = getter<number>(OfTyped, 'byteOffset');
const typedBytes = getter<number>(OfTyped, 'byteLength');
const typedLength = getter<number>(OfTyped, 'length');
const typedAt = method(OfTyped.at);
const typedSet = method(OfTyped.set);
const viewBuffer = getter<ArrayBuffer>(DataView.prototype, 'buffer');
const viewOffset = getter<number>(DataView.prototype, 'byteOffset');
const viewBytes = getter<number>(DataView.prototype, 'byteLength');

type ViewClass = new (buffer: ArrayBuffer, offset: number, length?: number) => ArrayBufferView;
const VIEWS = table(
  Object.fromEntries(
    `Int8 Uint8 Uint8Clamped Int16 Uint16 Int32 Uint32 Float16 Float32 Float64 BigInt64 BigUint64`
      .split(' ')
      .map((name) => [`${name}Array`, (globalThis as unknown as Readonly<Record<string, ViewClass>>)[`${name}Array`]]),
  ),
);
export const copyBuffer: Copy = (value) => {
  if (!isA(value, bufferLength)) return undefined;
  if (isDetached(value)) throw refused('An ArrayBuffer that is detached');
  const options = { __proto__: null, maxByteLength: isResizable(value) ? bufferMost(value) : undefined } as { maxByteLength?: number };
  const made = new ArrayBuffer(bufferLength(value), options);
  typedSet(new Uint8Array(made), new Uint8Array(value as ArrayBuffer));
  return made;
};

export const copyTyped: Copy = (value, run) => {
  const kind = kindOfTyped(value);
  if (kind === undefined) return undefined;
  const Class = VIEWS[kind] as ViewClass & { readonly BYTES_PER_ELEMENT: number };
  return copyView(Class, run, {
    buffer: typedBuffer(value),
    offset: typedOffset(value),
    bytes: typedBytes(value),
    size: Class.BYTES_PER_ELEMENT,
    isInside: () => isA(value, (one) => [typedAt(one, 0)]),
    length: () => typedLength(value),
  });
};

export const copyDataView: Copy = (value, run) => {
  if (!isA(value, viewBuffer)) return undefined;
  const isInside = () => isA(value, viewBytes);
  if (!isInside()) throw refused('A DataView outside of its buffer');
  const length = () => viewBytes(value);
  return copyView(DataView, run, { buffer: viewBuffer(value), offset: viewOffset(value), bytes: length(), size: 1, isInside, length });
};

interface View {
  readonly buffer: ArrayBuffer;
  readonly offset: number;
  readonly bytes: number;
  /** Bytes of an element. */
  readonly size: number;
  readonly isInside: () => boolean;
  /** In elements, now. */
  readonly length: () => number;
}
function copyView(Class: ViewClass, run: Run, view: View): unknown {
  const { buffer, offset, bytes, size } = view;
  const length = isResizable(buffer) && !isDetached(buffer) && isTracking(view) ? undefined : bytes / size;
  const of = run.copy(buffer);
  const make = () => new Class(Late.settle(of) as ArrayBuffer, offset, length);
  return Late.is(of) ? new Late(make) : make();
}

/**
 * Whether the length of a view follows its resizable buffer. Nothing tells JavaScript, so that a view that ends where its buffer does is
 * looked at while the buffer is a little smaller, or larger if the view is empty; the buffer is then as it was.
 */
function isTracking({ buffer, offset, bytes, size, isInside, length }: View): boolean {
  if (!isInside()) throw refused('A view outside of its buffer');
  const all = bufferLength(buffer);
  if (all - offset - bytes >= size) return false;
  if (bytes === 0) {
    if (offset + size > bufferMost(buffer)) return false;
    resize(buffer, offset + size);
    const tracks = length() > 0;
    resize(buffer, all);
    return tracks;
  }
  const less = offset + bytes - 1;
  const tail = new Uint8Array(all - less);
  typedSet(tail, new Uint8Array(buffer, less));
  resize(buffer, less);
  const tracks = isInside();
  resize(buffer, all);
  typedSet(new Uint8Array(buffer, less), tail);
  return tracks;
}
