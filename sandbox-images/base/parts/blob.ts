/** Blob and File of the File API (https://w3c.github.io/FileAPI): bytes that do not change, in memory. */
import { tag } from './tag.ts';

type Part = ArrayBuffer | ArrayBufferView<ArrayBuffer> | Blob | string;

/** A type with anything but printable ASCII counts as unknown. */
const typeOf = (type: unknown): string => {
  // oxlint-disable-next-line typescript/no-base-to-string -- Web IDL makes a string of any value
  const text = type === undefined ? '' : String(type);
  return /[^\u0020-\u007e]/.test(text) ? '' : text.toLowerCase();
};

const NATIVE_LINE_ENDING = '\n';

function bytesOf(parts: unknown, endings: unknown): Uint8Array<ArrayBuffer> {
  if (parts === undefined) return new Uint8Array(0);
  if (typeof parts !== 'object' || parts === null || !(Symbol.iterator in parts)) throw new TypeError('A Blob takes a list of parts');
  const encoder = new TextEncoder();
  const all = [...(parts as Iterable<Part>)].map((part): Uint8Array => {
    if (part instanceof Blob) return insideOf(part);
    if (part instanceof ArrayBuffer) return new Uint8Array(part.slice(0));
    if (ArrayBuffer.isView(part)) return new Uint8Array(part.buffer, part.byteOffset, part.byteLength).slice();
    const text = String(part).toWellFormed();
    return encoder.encode(endings === 'native' ? text.replaceAll(/\r\n?|\n/g, NATIVE_LINE_ENDING) : text);
  });
  const bytes = new Uint8Array(all.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const one of all) {
    bytes.set(one, at);
    at += one.length;
  }
  return bytes;
}

let insideOf: (blob: Blob) => Uint8Array<ArrayBuffer>;
let blobCopy: (value: object) => Blob | undefined;
let fileCopy: (value: object) => File | undefined;

class Blob {
  #bytes: Uint8Array<ArrayBuffer>;
  #type: string;

  constructor(parts?: unknown, options?: unknown) {
    if (options !== undefined && options !== null && typeof options !== 'object' && typeof options !== 'function')
      throw new TypeError('A Blob takes its options as an object');
    const { endings = 'transparent', type } = (options ?? {}) as Readonly<Record<string, unknown>>;
    if (endings !== 'transparent' && endings !== 'native') throw new TypeError(`${String(endings)} is not a kind of line endings`);
    this.#bytes = bytesOf(parts, endings);
    this.#type = typeOf(type);
  }
  get size(): number {
    return this.#bytes.length;
  }
  get type(): string {
    return this.#type;
  }
  slice(start?: number, end?: number, type?: unknown): Blob {
    const part = new Blob([], { type });
    part.#bytes = this.#bytes.slice(start, end);
    return part;
  }
  async arrayBuffer(): Promise<ArrayBuffer> {
    return this.#bytes.slice().buffer;
  }
  async bytes(): Promise<Uint8Array> {
    return this.#bytes.slice();
  }
  async text(): Promise<string> {
    return new TextDecoder().decode(this.#bytes);
  }
  stream(): ReadableStream<Uint8Array> {
    const bytes = this.#bytes.slice();
    return new ReadableStream({
      type: 'bytes',
      pull(controller) {
        if (bytes.length > 0) controller.enqueue(bytes);
        controller.close();
        controller.byobRequest?.respond(0);
      },
    });
  }
  static {
    insideOf = (blob) => blob.#bytes;
    blobCopy = (value) => {
      if (!(#bytes in value)) return undefined;
      const made = fileCopy(value) ?? new Blob();
      // Nobody writes to the bytes of a Blob.
      made.#bytes = value.#bytes;
      made.#type = value.#type;
      return made;
    };
  }
}

class File extends Blob {
  readonly #name: string;
  readonly #lastModified: number;

  constructor(...given: [parts?: unknown, name?: unknown, options?: unknown]) {
    if (given.length < 2) throw new TypeError('A File takes its parts and its name');
    const [parts, name, options] = given;
    super(parts, options);
    this.#name = String(name).toWellFormed();
    const { lastModified } = (options ?? {}) as { readonly lastModified?: unknown };
    this.#lastModified = lastModified === undefined ? Date.now() : Math.trunc(Number(lastModified)) || 0;
  }
  get name(): string {
    return this.#name;
  }
  get lastModified(): number {
    return this.#lastModified;
  }
  get webkitRelativePath(): string {
    return '';
  }
  static {
    fileCopy = (value) => (#name in value ? new File(undefined, value.#name, { lastModified: value.#lastModified }) : undefined);
  }
}

export default function make(): Record<string, unknown> {
  return { Blob: tag(Blob, 'Blob'), File: tag(File, 'File'), copyOf: blobCopy };
}
