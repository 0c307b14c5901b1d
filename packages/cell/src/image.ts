/** A sandbox image in a cell: compiled once, evaluated in every isolate. */
import type ivm from 'isolated-vm';

export interface ImageData {
  readonly name: string;
  readonly digest: string;
  readonly prelude: string;
  readonly parts: Readonly<Record<string, string>>;
}

/** A script with V8's code cache, so that only the first isolate of a cell pays for its compilation. */
export class CachedScript {
  readonly #source: string;
  readonly #filename: string;
  #cache: ivm.ExternalCopy<ArrayBuffer> | undefined;

  constructor(source: string, filename: string) {
    this.#source = source;
    this.#filename = filename;
  }

  compile(isolate: ivm.Isolate): ivm.Script {
    if (this.#cache !== undefined) {
      return isolate.compileScriptSync(this.#source, { filename: this.#filename, cachedData: this.#cache });
    }
    const script = isolate.compileScriptSync(this.#source, { filename: this.#filename, produceCachedData: true });
    this.#cache = (script as unknown as { cachedData?: ivm.ExternalCopy<ArrayBuffer> }).cachedData;
    return script;
  }
}
