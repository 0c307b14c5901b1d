/** Globals of Node, as far as undici's classes use them. They are private to the part of the image; an agent finds none of them. */
const LATIN: ReadonlySet<string> = new Set(['latin1', 'binary', 'ascii']);
const encoder = () => new TextEncoder();
/** Copies bytes, or makes zeros; shares the memory of an ArrayBuffer. */
const made = (...of: readonly unknown[]) => Reflect.construct(Buffer, of) as Buffer;

/** A Buffer with the members that are used, on plain arrays of bytes. */
export class Buffer extends Uint8Array<ArrayBuffer> {
  static override from(value: unknown, encoding?: unknown): Buffer {
    if (typeof value !== 'string') return made(value);
    if (encoding === 'base64') return made(Uint8Array.fromBase64(value.replaceAll('-', '+').replaceAll('_', '/')));
    if (LATIN.has(String(encoding))) {
      const bytes = made(value.length);
      for (let i = 0; i < value.length; i++) bytes[i] = value.charCodeAt(i) & 255;
      return bytes;
    }
    return made(encoder().encode(value));
  }
  static byteLength(text: string): number {
    return encoder().encode(text).length;
  }
  static allocUnsafe(length: number): Buffer {
    return made(length);
  }
  static isBuffer(value: unknown): boolean {
    return value instanceof Buffer;
  }
  static concat(list: readonly Uint8Array[], length = list.reduce((sum, one) => sum + one.length, 0)): Buffer {
    const all = made(length);
    let at = 0;
    for (const one of list) {
      all.set(one, at);
      at += one.length;
    }
    return all;
  }
  /** As Node has it: bytes that are shared, and a Buffer. */
  override subarray(start?: number, end?: number): Buffer {
    const part = super.subarray(start, end);
    return made(part.buffer, part.byteOffset, part.byteLength);
  }
  override slice(start?: number, end?: number): Buffer {
    return this.subarray(start, end);
  }
  equals(other: Uint8Array): boolean {
    return this.length === other.length && this.every((byte, i) => byte === other[i]);
  }
  override indexOf(value: number | Uint8Array | string, from = 0): number {
    if (typeof value === 'number') return super.indexOf(value, from);
    const wanted = typeof value === 'string' ? Buffer.from(value) : value;
    for (let at = from; at <= this.length - wanted.length; at++) if (wanted.every((byte, i) => this[at + i] === byte)) return at;
    return -1;
  }
  override includes(value: number | Uint8Array | string, from = 0): boolean {
    return this.indexOf(value, from) !== -1;
  }
  override toString(encoding?: string, start = 0, end = this.length): string {
    const bytes = super.subarray(start, end);
    if (encoding === 'base64') return bytes.toBase64();
    if (LATIN.has(String(encoding))) {
      let text = '';
      for (const byte of bytes) text += String.fromCharCode(byte);
      return text;
    }
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  }
}

/** Nothing is collected behind an agent's back: what depends on that does not happen. */
export class FinalizationRegistry {
  register(): void {}
  unregister(): void {}
}
/** Holds what it is given. */
export class WeakRef<T> {
  readonly #held: T;
  constructor(held: T) {
    this.#held = held;
  }
  deref(): T {
    return this.#held;
  }
}

/** Nothing of the host is in it. */
export const process = { version: 'v26.0.0', versions: { node: '26.0.0' }, env: {}, emitWarning: () => undefined };
/** There are none, so nothing is one. */
export function MessagePort(): void {}
