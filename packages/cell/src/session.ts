/**
 * One run in one isolate. Cranks are synchronous: deliver, drain the microtasks, collect. Only strings and numbers cross;
 * the guest never holds an object of isolated-vm.
 */
import ivm from 'isolated-vm';
import type { PreludeConfig } from '@corral/guest/abi';
import { COLLECT, DELIVER, DESCRIBE, REJECTED, type Rejected, type Thrown } from '@corral/guest/abi';
import type { FaultKind, FaultPayload } from '@corral/protocol/frame';
import type { CachedScript, ImageData } from './image.ts';

/** The isolate of this run is gone, and why. */
export class Fault extends Error {
  readonly payload: FaultPayload;
  constructor(payload: FaultPayload) {
    super(payload.message);
    this.payload = payload;
  }
}

export interface SessionOptions {
  readonly image: ImageData;
  readonly prelude: CachedScript;
  readonly bundle: CachedScript;
  readonly config: PreludeConfig;
  readonly memory_mib: number;
  /** CPU time that loading the bundle may take. */
  readonly load_cpu_us: number;
}

type Drive = ivm.Reference<(operation: number, text?: string) => string | undefined>;

export class Session {
  readonly #isolate: ivm.Isolate;
  #drive: Drive | undefined;
  #faulted: FaultPayload | undefined;

  /** @throws Fault when the bundle cannot be loaded */
  constructor(options: SessionOptions) {
    const isolate = new ivm.Isolate({ memoryLimit: options.memory_mib });
    this.#isolate = isolate;
    this.#guard('load', options.load_cpu_us, (limit) => {
      const context = isolate.createContextSync();
      const factory = options.prelude.compile(isolate).runSync(context, { reference: true });
      const part = new ivm.Callback((name: unknown) => options.image.parts[String(name)] ?? '');
      const fault = new ivm.Callback((kind: unknown, message: unknown) => {
        this.#faulted ??= { fault: String(kind) as FaultKind, message: String(message).slice(0, 500) };
        // Ends the guest's execution there and then; nothing of it runs any more.
        isolate.dispose();
      });
      this.#drive = factory.applySync(undefined, [part, fault, JSON.stringify(options.config)], { result: { reference: true } }) as Drive;
      options.bundle.compile(isolate).runSync(context, limit);
    });
  }

  /**
   * One crank.
   * @param cpu_us what it may use; 0: whoever watches this process from outside will end it
   * @returns the effects as a JSON array
   * @throws Fault when the isolate did not survive it
   */
  crank(delivery: string, cpu_us: number): string {
    return this.#guard('rejected', cpu_us, (limit) => {
      const drive = this.#drive as Drive;
      try {
        const thrown = drive.applySync(undefined, [DELIVER, delivery], limit);
        if (thrown !== undefined) throw new Told(JSON.parse(thrown) as Thrown);
      } catch (error) {
        const told = this.#told(error, limit);
        if (told !== undefined) throw told;
      }
      return drive.applySync(undefined, [COLLECT], limit) as string;
    });
  }

  /**
   * What an exception is about, as the isolate tells it while it is still there.
   * @returns undefined where work beside the agent's own was ended by a cancel: that is no reason to end the agent before it has tidied up
   */
  #told(error: unknown, limit: { timeout?: number }): Error | undefined {
    if (error instanceof Told) return error;
    if (!(error instanceof Error))
      return new Told({ message: unhandled(typeof error === 'string' ? JSON.stringify(error.slice(0, TEXT)) : String(error)) });
    if (this.#isolate.isDisposed || this.#faulted !== undefined) return error;
    const { name, message } = error;
    // Nothing is asked of an isolate that has just used up its time.
    if (message === TIMED_OUT) return error;
    const asked = (this.#drive as Drive).applySync(undefined, [REJECTED, JSON.stringify({ name, message })], limit);
    const { follows_cancel, what, stack } = JSON.parse(asked as string) as Rejected;
    if (follows_cancel) return undefined;
    if (what !== undefined) return new Told({ message: unhandled(what) });
    if (message === NO_ERROR) return new Told({ message: unhandled('something that is no error') });
    return stack === undefined ? error : new Told({ message: message || name, stack });
  }

  /** The manifests of the bundle as JSON. */
  describe(cpu_us: number): string {
    return this.#guard('load', cpu_us, (limit) => (this.#drive as Drive).applySync(undefined, [DESCRIBE], limit) as string);
  }

  /** Keeps what V8 has compiled of a script here for the isolates to come. @returns the bytes that are kept */
  renew(script: CachedScript): number {
    return script.renew(this.#isolate);
  }

  /** Heap in use, buffers included. */
  heapKib(): number {
    const heap = this.#isolate.getHeapStatisticsSync();
    return Math.round((heap.used_heap_size + heap.externally_allocated_size) / 1024);
  }

  dispose(): void {
    if (!this.#isolate.isDisposed) this.#isolate.dispose();
  }

  /** Runs guest code and names what went wrong by what can be seen from outside of it, not by what it says of itself. */
  #guard<T>(otherwise: FaultKind, cpu_us: number, work: (limit: { timeout?: number }) => T): T {
    const timeout = Math.ceil(cpu_us / 1000);
    const began = performance.now();
    try {
      // Arming the timer wakes a thread, which a short crank would feel.
      return work(timeout === 0 ? {} : { timeout });
    } catch (error) {
      const message = error instanceof Error ? error.message || error.name : String(error);
      const stack = error instanceof Told ? error.thrown.stack : error instanceof Error ? guestStack(error.stack) : undefined;
      const payload: FaultPayload =
        this.#faulted ??
        (this.#isolate.isDisposed
          ? { fault: 'memory', message: 'The isolate reached its memory limit.' }
          : performance.now() - began >= timeout && message === TIMED_OUT
            ? { fault: 'timeout', message: `The crank did not end within ${timeout} ms.` }
            : {
                fault: otherwise,
                message: message.slice(0, TEXT),
                ...(stack === undefined ? {} : { stack }),
              });
      this.dispose();
      throw new Fault(payload);
    }
  }
}

const TEXT = 2000;

const TIMED_OUT = 'Script execution timed out.';

/** What isolated-vm says of what has neither a message nor a stack, such as a symbol; nothing of it comes across. */
const NO_ERROR = 'An object was thrown from supplied code within isolated-vm, but that object was not an instance of `Error`.';

const unhandled = (what: string) => `A promise was rejected with ${what}, and nothing handled that.`;

/** What was thrown, in the isolate's own words. */
class Told extends Error {
  readonly thrown: Thrown;
  constructor(thrown: Thrown) {
    super(thrown.message);
    this.thrown = thrown;
  }
}

const NOT_THE_AUTHORS = /^\s+at .*(?:corral:prelude:|file:|node:)/;

/** The author's own frames: without the cell's, which name places of the host, and without those of the image. */
function guestStack(stack: string | undefined): string | undefined {
  const lines = stack?.split('\n') ?? [];
  const boundary = lines.findIndex((line) => line.includes('(<isolated-vm boundary>)'));
  // Without a boundary the whole of it is the cell's: what was thrown had no stack.
  if (boundary === -1) return undefined;
  const own = lines.slice(0, boundary).filter((line) => !NOT_THE_AUTHORS.test(line));
  return own.join('\n').slice(0, TEXT);
}
