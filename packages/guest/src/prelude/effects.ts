/**
 * Outgoing effects: they are collected during a crank, each already as JSON, and leave together at its end. Sizes are checked
 * when an effect is added, so that the error is thrown at the call that exceeds a limit; the host checks again.
 */
import type { HostFunctions, SpareConfig } from '../abi.ts';
import type { ErrorData } from '@corral/protocol/errors';
import { CorralError, fromData, originHere, raise, raisedAt, type Origin } from './errors.ts';
import { effectText } from './handles.ts';

interface Waiter {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** Whether the agent may stop waiting: true for calls and requests. */
  readonly canBeGivenUp: boolean;
  /** Where the agent made the effect. */
  readonly origin?: Origin;
  /** Reads the parts of its answer, if it is a stream. */
  readonly sink?: Sink;
}

/** Takes the parts of a stream. */
export interface Sink {
  put(parts: readonly unknown[]): void;
  /** The agent gave the call up, or is cancelled. */
  abandoned(error: unknown): void;
}

export class Effects {
  readonly #config: SpareConfig;
  /** Capabilities for models. */
  readonly #models = new Set<unknown>();
  readonly #host: HostFunctions;
  readonly #waiting = new Map<number, Waiter>();
  /** Effects the agent gave up and the host has not answered: for the host they are under way. */
  readonly #abandoned = new Set<number>();
  /** Waiters for the answers to everything that was given up. */
  readonly #untilAnswered = new Set<Waiter>();
  /** The effects of the crank, with commas in between, and their number. */
  #batch = '';
  #count = 0;
  #bytes = 0;
  #lastId = 0;
  #logged = 0;
  #finished = false;

  constructor(config: SpareConfig, host: HostFunctions) {
    this.#config = config;
    this.#host = host;
  }

  /** Queues an effect without a reply. */
  push(effect: Readonly<Record<string, unknown>>): void {
    if (this.#finished) return;
    const text = this.#text(effect);
    if (this.#count >= this.#config.effects_per_crank) {
      this.#host.fault('too_many', `One crank made more than ${this.#config.effects_per_crank} effects.`);
    }
    this.#bytes += text.length + 1;
    const { effects_bytes, message_bytes, model_request_bytes = message_bytes } = this.#config;
    const most = effects_bytes + (model_request_bytes > message_bytes ? model_request_bytes : message_bytes);
    if (this.#bytes >= most) this.#host.fault('too_many', `The effects of one crank have more than ${most} bytes.`);
    this.#batch = this.#count === 0 ? text : `${this.#batch},${text}`;
    this.#count += 1;
  }

  /** Calls of this capability have the bounds of a request to a model. */
  isModel(cap: number): void {
    this.#models.add(cap);
  }

  /** Throws if an effect cannot be sent; queues nothing. */
  check(effect: Readonly<Record<string, unknown>>): void {
    this.#text(effect);
  }

  /** Queues an effect under the next number. If it cannot be sent, throws without queueing anything. */
  pushNumbered(effect: Readonly<Record<string, unknown>>): number {
    this.push({ ...effect, id: this.#lastId + 1, toJSON: undefined });
    this.#lastId += 1;
    return this.#lastId;
  }

  /** Queues an effect whose reply settles the promise. */
  request(
    effect: Readonly<Record<string, unknown>>,
    canBeGivenUp = false,
    sink?: Sink,
  ): { readonly id: number; readonly reply: Promise<unknown> } {
    let waiter: Waiter | undefined;
    const reply = new Promise((resolve, reject) => {
      waiter = { resolve, reject, canBeGivenUp };
    });
    const id = this.pushNumbered(effect);
    // Taken now: when the reply arrives, the agent's frames are not on the stack any more.
    this.#waiting.set(id, { ...(waiter as unknown as Waiter), origin: originHere(), ...(sink === undefined ? {} : { sink }) });
    return { id, reply };
  }

  /** The next parts of a stream; those of one that nobody reads any more are dropped. */
  chunk(id: number, parts: readonly unknown[]): void {
    this.#waiting.get(id)?.sink?.put(parts);
  }

  /** Settles the promise of an effect; a reply that nobody waits for is dropped. */
  settle(id: number, how: { readonly value: unknown } | { readonly error: unknown }): void {
    if (this.#abandoned.delete(id) && this.#abandoned.size === 0) for (const { resolve } of this.#untilAnswered) resolve(undefined);
    const waiter = this.#waiting.get(id);
    if (waiter === undefined) return;
    this.#waiting.delete(id);
    if (Object.hasOwn(how, 'error')) waiter.reject((how as { readonly error: unknown }).error);
    else waiter.resolve((how as { readonly value: unknown }).value);
  }

  /** Rejects the promise of an effect with the host's error; its stack shows where the agent made the effect. */
  fail(id: number, data: ErrorData): void {
    const origin = this.#waiting.get(id)?.origin;
    this.settle(id, { error: origin === undefined ? fromData(data) : raisedAt(origin, fromData(data)) });
  }

  /** Stops waiting for an effect, and tells the host. */
  abandon(id: number, error: unknown): void {
    const waiter = this.#waiting.get(id);
    if (waiter === undefined) return;
    this.push({ kind: 'abort', id });
    waiter.sink?.abandoned(error);
    this.settle(id, { error });
    this.#abandoned.add(id);
  }

  /** Stops waiting for all calls and requests under way. */
  abandonAll(error: unknown): void {
    for (const [id, { canBeGivenUp }] of this.#waiting) if (canBeGivenUp) this.abandon(id, error);
    for (const { reject } of this.#untilAnswered) reject(error);
    this.#untilAnswered.clear();
  }

  /** Resolves once the host has answered everything that was given up. */
  async answered(): Promise<void> {
    while (this.#abandoned.size > 0) {
      let waiter: Waiter | undefined;
      const answered = new Promise((resolve, reject) => {
        waiter = { resolve, reject, canBeGivenUp: false };
      });
      this.#untilAnswered.add(waiter as unknown as Waiter);
      await answered;
      this.#untilAnswered.delete(waiter as unknown as Waiter);
    }
  }

  log(level: string, text: string): void {
    const line = text.length > LOG_LINE ? `${text.slice(0, LOG_LINE)}… (${text.length} characters)` : text;
    this.#logged += line.length;
    if (this.#logged > this.#config.log_bytes) {
      this.#host.fault('log_bytes', `The run logged more than ${this.#config.log_bytes} bytes.`);
    }
    this.push({ kind: 'log', level, text: line });
  }

  /** The last effect of a run; later ones are dropped. */
  finish(effect: Readonly<Record<string, unknown>>): void {
    this.push({ kind: 'finish', ...effect });
    this.#finished = true;
  }

  /** Number of effects without a reply. */
  get waiting(): number {
    return this.#waiting.size + this.#abandoned.size;
  }

  /** Number of those that were given up. */
  get givenUp(): number {
    return this.#abandoned.size;
  }

  /** Sets the number of the next effect; after a checkpoint, numbering goes on. */
  continueFrom(next: number): void {
    this.#lastId = next - 1;
  }

  /** The last effect of a segment; later ones are dropped. */
  checkpoint(effect: Readonly<Record<string, unknown>>): void {
    this.push({ kind: 'checkpoint', ...effect });
    this.#finished = true;
  }

  /** All effects since the last call, as a JSON array. */
  collect(): string {
    if (this.#count === 0) return '[]';
    const text = `[${this.#batch}]`;
    this.#batch = '';
    this.#count = 0;
    this.#bytes = 0;
    return text;
  }

  #text(effect: Readonly<Record<string, unknown>>): string {
    let text: string;
    try {
      // JSON.stringify asks each object for `toJSON`, which an agent may have put on Object.prototype.
      text = effectText(Object.hasOwn(effect, 'toJSON') ? effect : { ...effect, toJSON: undefined });
    } catch (error) {
      throw error instanceof CorralError ? error : unsupported(error);
    }
    const { message_bytes, model_request_bytes = message_bytes } = this.#config;
    const isModel = effect['kind'] === 'call' && this.#models.has(effect['cap']);
    const most = isModel ? model_request_bytes : message_bytes;
    if (text.length > most) {
      const message = `One ${String(effect['kind'])} has ${text.length} bytes; at most ${most} may leave at once.`;
      throw raise('CORRAL_EFFECT_TOO_LARGE', message, isModel && most !== message_bytes ? 'model_request_bytes' : 'message_bytes');
    }
    return text;
  }
}

const LOG_LINE = 8192;

function unsupported(error: unknown): CorralError {
  return raise(
    'CORRAL_JSON_UNSUPPORTED',
    `This value cannot be written as JSON: ${error instanceof Error ? error.message : String(error)}`,
  );
}
