/**
 * Calls of servers of 2025-11-25, which ask for input by requests of their own while a call is under way. The call stays under way while people are
 * asked, so it goes on at this connection alone. An attempt at it ends when the server asks or when it has answered.
 */
import { randomUUID } from 'node:crypto';
import type { GivenInput } from '@corral/protocol/model/question';
import type { ToolAnswer, ToolResult } from '@corral/protocol/ports/tool';
import { liveRequest } from './input.ts';

/** The answer to `elicitation/create`. */
export interface Elicited extends Record<string, unknown> {
  readonly action: 'accept' | 'decline' | 'cancel';
  readonly content?: Record<string, string | number | boolean | string[]>;
}

export class LiveCalls {
  readonly #waiting = new Map<string, LiveCall>();

  /** @param work makes the call, and gives `elicited` what the server asks during it. It never rejects. */
  start(work: (call: LiveCall) => Promise<ToolResult>): LiveCall {
    return new LiveCall(work, this.#waiting);
  }

  /** The call that waits for this; undefined if its connection or its host is gone. */
  waitingFor(token: string): LiveCall | undefined {
    return this.#waiting.get(token);
  }
}

export class LiveCall {
  readonly #token = randomUUID();
  readonly #waiting: Map<string, LiveCall>;
  readonly #abort = new AbortController();
  readonly #result: Promise<ToolResult>;
  #answer: ((answer: Elicited) => void) | undefined;
  /** Ends listening to the signal of the attempt before. */
  #unheard: () => void = () => undefined;
  #attempt = Promise.withResolvers<ToolAnswer>();

  constructor(work: (call: LiveCall) => Promise<ToolResult>, waiting: Map<string, LiveCall>) {
    this.#waiting = waiting;
    this.#result = work(this);
    void this.#result.then((result) => this.#attempt.resolve(result));
  }

  /** Aborted when nobody waits for the call any more, also while people are asked. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** @param signal of this attempt; it holds until the next one begins */
  attempt(signal: AbortSignal, given?: GivenInput): Promise<ToolAnswer> {
    const give = () => this.#end(signal.reason);
    this.#unheard();
    this.#unheard = () => signal.removeEventListener('abort', give);
    if (signal.aborted) give();
    else signal.addEventListener('abort', give, { once: true });
    if (given !== undefined) {
      this.#waiting.delete(this.#token);
      this.#attempt = Promise.withResolvers<ToolAnswer>();
      void this.#result.then((result) => this.#attempt.resolve(result));
      const { action, value } = given;
      this.#answer?.(action === 'accept' ? { action, content: value as Elicited['content'] & object } : { action });
      this.#answer = undefined;
    }
    return this.#attempt.promise;
  }

  /** The server asks. @param refused is told why nobody is asked @param signal the server does not want to know any more */
  elicited(params: unknown, signal: AbortSignal, refused: (why: string) => void): Promise<Elicited> {
    const read = this.#answer === undefined ? liveRequest(params, this.#token) : { refused: 'it asks something else already' };
    if ('refused' in read) {
      refused(read.refused);
      return Promise.resolve({ action: 'cancel' });
    }
    const { promise, resolve } = Promise.withResolvers<Elicited>();
    this.#answer = resolve;
    signal.addEventListener('abort', () => resolve({ action: 'cancel' }), { once: true });
    this.#waiting.set(this.#token, this);
    const { question } = read.value;
    this.#attempt.resolve({ kind: 'input_required', message: `It needs input of people: ${question}`, request: read.value });
    return promise;
  }

  #end(reason: unknown): void {
    this.#waiting.delete(this.#token);
    this.#abort.abort(reason);
    this.#answer?.({ action: 'cancel' });
  }
}
