/** A sandbox image in a cell: compiled once, evaluated in every isolate. */
import type ivm from 'isolated-vm';

export interface ImageData {
  readonly name: string;
  readonly digest: string;
  readonly prelude: string;
  readonly parts: Readonly<Record<string, string>>;
}

/**
 * A script with V8's code cache, so that only the first isolate of a cell pays for compilation. V8 compiles a function when it is
 * first called: the cache of a script that has not run holds little more than its top level, and each isolate would compile the
 * rest again. `renew` therefore replaces the cache by that of a script that has run.
 */
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
    return this.#produce(isolate);
  }

  /**
   * Stores the compiled code of an isolate in which the script has run. V8 still has that code, so nothing is compiled again.
   * @returns size of the cache in bytes
   */
  renew(isolate: ivm.Isolate): number {
    this.#produce(isolate);
    return this.#cache?.copy().byteLength ?? 0;
  }

  #produce(isolate: ivm.Isolate): ivm.Script {
    const script = isolate.compileScriptSync(this.#source, { filename: this.#filename, produceCachedData: true });
    this.#cache = (script as unknown as { cachedData?: ivm.ExternalCopy<ArrayBuffer> }).cachedData;
    return script;
  }
}
