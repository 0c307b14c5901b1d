/** A sandbox image in a cell: compiled once, evaluated in every isolate. */
import type ivm from 'isolated-vm';

export interface ImageData {
  readonly name: string;
  readonly digest: string;
  readonly prelude: string;
  readonly parts: Readonly<Record<string, string>>;
}

/** The run of a bundle after which its cache is replaced: a second one tells that more will follow. */
const LEARNS_AT = 2;

/**
 * A script with V8's code cache, so that only the first isolate of a cell pays for compilation. V8 compiles a function when it is
 * first called: the cache of a script that has not run holds little more than its top level, and each isolate would compile the
 * rest again. `renew` therefore replaces the cache by that of a script that has run. For the prelude, warm.ts does so; for a bundle and the
 * parts of the image, the end of a run.
 */
export class CachedScript {
  readonly #source: string;
  readonly #filename: string;
  readonly #columns: number;
  readonly #learnsAt: number;
  #cache: ivm.ExternalCopy<ArrayBuffer> | undefined;
  #runs = 0;

  /**
   * @param columns what precedes the author's text on its first line, which positions do not count. Characters
   * @param learnsAt the run after which the cache is replaced
   */
  constructor(source: string, filename: string, columns = 0, learnsAt = LEARNS_AT) {
    this.#source = source;
    this.#filename = filename;
    this.#columns = columns;
    this.#learnsAt = learnsAt;
  }

  /** Whether it was compiled before, in any isolate. */
  get wasCompiled(): boolean {
    return this.#cache !== undefined;
  }

  compile(isolate: ivm.Isolate): ivm.Script {
    if (this.#cache !== undefined) return isolate.compileScriptSync(this.#source, { ...this.#origin(), cachedData: this.#cache });
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

  /** Tells that a run of the script is over in an isolate, which still exists. */
  ran(isolate: ivm.Isolate): void {
    this.#runs += 1;
    if (this.#runs !== this.#learnsAt) return;
    try {
      this.renew(isolate);
    } catch {
      // The isolate has no memory left; the older cache is as good as before.
    }
  }

  #produce(isolate: ivm.Isolate): ivm.Script {
    const script = isolate.compileScriptSync(this.#source, { ...this.#origin(), produceCachedData: true });
    this.#cache = (script as unknown as { cachedData?: ivm.ExternalCopy<ArrayBuffer> }).cachedData;
    return script;
  }

  #origin() {
    return { filename: this.#filename, ...(this.#columns === 0 ? {} : { columnOffset: -this.#columns }) };
  }
}

/** The image in a cell: its scripts are compiled once for all isolates. */
export class SandboxImage {
  readonly prelude: CachedScript;
  readonly #data: ImageData;
  readonly #parts = new Map<string, CachedScript>();

  constructor(data: ImageData) {
    this.#data = data;
    this.prelude = new CachedScript(data.prelude, 'corral:prelude');
  }

  get digest(): string {
    return this.#data.digest;
  }

  /** A script whose value is a function that evaluates a part of the image. */
  part(name: string): CachedScript {
    let script = this.#parts.get(name);
    if (script === undefined) {
      // The first run that needs a part leaves what V8 has compiled of it, because other bundles need the part too.
      script = new CachedScript(`()=>${this.#data.parts[name] ?? '{}'}`, `corral:prelude/${name}`, 0, 1);
      this.#parts.set(name, script);
    }
    return script;
  }
}
