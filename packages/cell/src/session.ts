/**
 * One run in one isolate. Cranks are synchronous: deliver, drain the microtasks, collect. Only strings and numbers cross; the
 * guest never holds an object of isolated-vm.
 */
import ivm from 'isolated-vm';
import type { PreludeConfig, RunConfig, SpareConfig } from '@corral/guest/abi';
import { BEGIN, COLLECT, DELIVER, DESCRIBE, REJECTED, type Rejected, type Thrown } from '@corral/guest/abi';
import { largestEffect } from '@corral/protocol/limits';
import type { FaultKind, FaultPayload } from '@corral/protocol/wire/frame';
import type { CachedScript, SandboxImage } from './image.ts';

/** The isolate of this run has ended, and why. */
export class Fault extends Error {
  readonly payload: FaultPayload;
  constructor(payload: FaultPayload) {
    super(payload.message);
    this.payload = payload;
  }
}

export interface SessionOptions {
  readonly image: SandboxImage;
  readonly bundle: CachedScript;
  /** Without a run for an isolate that is made in advance. */
  readonly config: PreludeConfig | SpareConfig;
  readonly memory_mib: number;
  /** CPU time that loading the bundle may take. Microseconds. */
  readonly load_cpu_us: number;
}

type Drive = ivm.Reference<(operation: number, text?: string) => string | undefined>;

export class Session {
  readonly #isolate: ivm.Isolate;
  readonly #image: SandboxImage;
  readonly #bundle: CachedScript;
  /** The parts of the image that were evaluated. */
  readonly #parts = new Set<CachedScript>();
  /** Longest batch of effects. Characters. */
  readonly #longest: number;
  #drive: Drive | undefined;
  #faulted: FaultPayload | undefined;

  /** @throws Fault if the bundle cannot be loaded */
  constructor(options: SessionOptions) {
    const isolate = new ivm.Isolate({ memoryLimit: options.memory_mib });
    this.#isolate = isolate;
    this.#image = options.image;
    this.#bundle = options.bundle;
    this.#longest = options.config.effects_bytes + largestEffect(options.config) + 2;
    this.#guard('load', options.load_cpu_us, (limit) => {
      const context = isolate.createContextSync();
      const factory = options.image.prelude.compile(isolate).runSync(context, { reference: true });
      const part = new ivm.Callback((name: unknown) => this.#part(context, String(name)));
      const fault = new ivm.Callback((kind: unknown, message: unknown) => {
        this.#faulted ??= { fault: String(kind) as FaultKind, message: String(message).slice(0, 500) };
        // Ends the guest's execution at once; none of its code runs any more.
        isolate.dispose();
      });
      this.#drive = factory.applySync(undefined, [part, fault, JSON.stringify(options.config)], { result: { reference: true } }) as Drive;
      options.bundle.compile(isolate).runSync(context, limit);
    });
  }

  /** Gives an isolate that was made in advance to a run. */
  begin({ agent, at, seed }: RunConfig): void {
    this.#guard('load', 0, () => (this.#drive as Drive).applySync(undefined, [BEGIN, JSON.stringify({ agent, at, seed })]));
  }

  /**
   * A part of the image as a function of the isolate that evaluates it. Here it is only compiled, from this cell's cache, and the prelude
   * calls it: so what the part does counts towards the limit of the crank that needs it.
   */
  #part(context: ivm.Context, name: string): unknown {
    const script = this.#image.part(name);
    this.#parts.add(script);
    try {
      return script.compile(this.#isolate).runSync(context, { reference: true }).derefInto({ release: true });
    } catch (error) {
      // Only a lack of memory prevents it, which may differ on a replay; so the agent must not be able to catch it.
      this.dispose();
      throw error;
    }
  }

  /**
   * Runs one crank.
   * @param cpu_us its limit in microseconds; 0: no limit here, the supervisor ends the process
   * @returns the effects as a JSON array
   * @throws Fault if the isolate did not survive it
   */
  crank(delivery: string, cpu_us: number): string {
    return this.#guard('rejected', cpu_us, (limit) => {
      const drive = this.#drive as Drive;
      try {
        const thrown = drive.applySync(undefined, [DELIVER, delivery], limit);
        if (thrown !== undefined) throw new Told(thrownFrom(thrown));
      } catch (error) {
        const told = this.#told(error, limit);
        if (told !== undefined) throw told;
      }
      return this.#collected(drive.applySync(undefined, [COLLECT], limit));
    });
  }

  /** The prelude holds a crank to this bound while it grows; this is held outside of the isolate. */
  #collected(effects: string | undefined): string {
    if (typeof effects === 'string' && effects.length <= this.#longest) return effects;
    this.#faulted ??= { fault: 'too_many', message: `The effects of one crank have more than ${this.#longest} bytes.` };
    throw new Error('too many effects');
  }

  /**
   * Describes an exception with the isolate's help, while it still exists.
   * @returns undefined if the rejection is the consequence of a cancel: the agent must be able to clean up before it ends
   */
  #told(error: unknown, limit: { timeout?: number }): Error | undefined {
    if (error instanceof Told) return error;
    if (!(error instanceof Error))
      return new Told({ message: unhandled(typeof error === 'string' ? JSON.stringify(error.slice(0, TEXT)) : String(error)) });
    if (this.#isolate.isDisposed || this.#faulted !== undefined) return error;
    const { name, message } = error;
    // An isolate that has used up its time is asked nothing.
    if (message === TIMED_OUT) return error;
    const asked = (this.#drive as Drive).applySync(undefined, [REJECTED, JSON.stringify({ name, message })], limit);
    const { follows_cancel, what, stack } = JSON.parse(asked as string) as Rejected;
    if (follows_cancel) return undefined;
    if (what !== undefined) return new Told({ message: unhandled(what) });
    if (message === NO_ERROR) return new Told({ message: unhandled('something that is not an error') });
    return stack === undefined ? error : new Told({ message: message || name, stack });
  }

  /** The manifests of the bundle as JSON. */
  describe(cpu_us: number): string {
    return this.#guard('load', cpu_us, (limit) => (this.#drive as Drive).applySync(undefined, [DESCRIBE], limit) as string);
  }

  /** Stores V8's compiled code of a script for later isolates. @returns its size in bytes */
  renew(script: CachedScript): number {
    return script.renew(this.#isolate);
  }

  /** Heap in use, buffers included. KiB. */
  heapKib(): number {
    const heap = this.#isolate.getHeapStatisticsSync();
    return Math.round((heap.used_heap_size + heap.externally_allocated_size) / 1024);
  }

  /** Ends the isolate of a run that is over. */
  retire(): void {
    if (this.#isolate.isDisposed) return;
    for (const script of [this.#bundle, ...this.#parts]) script.ran(this.#isolate);
    this.dispose();
  }

  dispose(): void {
    if (!this.#isolate.isDisposed) this.#isolate.dispose();
  }

  /** Runs guest code. Classifies failures by what can be observed from outside, never by the guest's own description. */
  #guard<T>(otherwise: FaultKind, cpu_us: number, work: (limit: { timeout?: number }) => T): T {
    const timeout = Math.ceil(cpu_us / 1000);
    const began = performance.now();
    try {
      // No timer without a limit: arming one wakes a thread, which costs a short crank a noticeable time.
      return work(timeout === 0 ? {} : { timeout });
    } catch (error) {
      const message = error instanceof Error ? error.message || error.name : String(error);
      const stack = error instanceof Told ? error.thrown.stack : error instanceof Error ? guestStack(error.stack) : undefined;
      const payload: FaultPayload =
        this.#faulted ??
        (this.#isolate.isDisposed
          ? { fault: 'memory', message: 'The isolate reached its memory limit.' }
          : performance.now() - began >= timeout && message === TIMED_OUT
            ? { ...outOfTime(otherwise, timeout), ...(stack === undefined ? {} : { stack }) }
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

/** isolated-vm's message for a thrown value with neither message nor stack, such as a symbol; the value itself cannot be read. */
const NO_ERROR = 'An object was thrown from supplied code within isolated-vm, but that object was not an instance of `Error`.';

const outOfTime = (otherwise: FaultKind, timeout: number): FaultPayload =>
  otherwise === 'load'
    ? { fault: 'load_timeout', message: `The bundle did not load within ${timeout} ms.` }
    : { fault: 'timeout', message: `The crank did not end within ${timeout} ms.` };

const unhandled = (what: string) => `A promise was rejected with ${what}, and nothing handled that.`;

/** The isolate's report of a thrown value. An agent can influence it, so each member is made a text. */
function thrownFrom(text: string): Thrown {
  const { message, stack } = JSON.parse(text) as Readonly<Record<string, unknown>>;
  return { message: String(message), ...(typeof stack === 'string' ? { stack: stack.slice(0, TEXT) } : {}) };
}

/** A thrown value as the isolate described it. */
class Told extends Error {
  readonly thrown: Thrown;
  constructor(thrown: Thrown) {
    super(thrown.message);
    this.thrown = thrown;
  }
}

const FRAME = /^\s+at /;
const OWN = /(?:agent|program)\.js:/;

/**
 * The author's own frames: those in the agent's script, and V8's own functions in between. isolated-vm joins the cell's frames to a stack,
 * and gives them alone for a thrown value without one; they name paths of the host.
 */
function guestStack(stack: string | undefined): string | undefined {
  const lines = stack?.split('\n') ?? [];
  const last = lines.findLastIndex((line) => FRAME.test(line) && OWN.test(line));
  if (last === -1) return undefined;
  const own = lines.slice(0, last + 1).filter((line) => !FRAME.test(line) || OWN.test(line) || line.endsWith('(<anonymous>)'));
  return own.join('\n').slice(0, TEXT);
}
