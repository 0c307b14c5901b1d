/**
 * One run in one isolate. Cranks are synchronous: deliver, drain the microtasks, collect. Only strings and numbers cross;
 * the guest never holds an object of isolated-vm.
 */
import ivm from 'isolated-vm';
import type { PreludeConfig } from '@corral/guest/abi';
import { COLLECT, DELIVER, DESCRIBE } from '@corral/guest/abi';
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
      drive.applySync(undefined, [DELIVER, delivery], limit);
      return drive.applySync(undefined, [COLLECT], limit) as string;
    });
  }

  /** The manifests of the bundle as JSON. */
  describe(cpu_us: number): string {
    return this.#guard('load', cpu_us, (limit) => (this.#drive as Drive).applySync(undefined, [DESCRIBE], limit) as string);
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
      const message = error instanceof Error ? error.message : String(error);
      const payload: FaultPayload =
        this.#faulted ??
        (this.#isolate.isDisposed
          ? { fault: 'memory', message: 'The isolate reached its memory limit.' }
          : performance.now() - began >= timeout && message === 'Script execution timed out.'
            ? { fault: 'timeout', message: `The crank did not end within ${timeout} ms.` }
            : {
                fault: otherwise,
                message: message.slice(0, TEXT),
                ...(error instanceof Error && error.stack !== undefined ? { stack: guestStack(error.stack) } : {}),
              });
      this.dispose();
      throw new Fault(payload);
    }
  }
}

const TEXT = 2000;

/** The guest's own frames, without the cell's. */
function guestStack(stack: string): string {
  const lines = stack.split('\n');
  const boundary = lines.findIndex((line) => line.includes('(<isolated-vm boundary>)'));
  return (boundary === -1 ? lines : lines.slice(0, boundary)).join('\n').slice(0, TEXT);
}
