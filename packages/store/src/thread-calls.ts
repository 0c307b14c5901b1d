/** A thread of a store as asynchronous function calls: requests go out with a number, and answers come back by it. */
import { Worker } from 'node:worker_threads';
import { CorralError, type ErrorData } from '@corral/protocol/errors';

export interface Request {
  readonly id: number;
  /** A method of what the thread serves; `close` ends the thread. */
  readonly op: string;
  readonly args: readonly unknown[];
}
export type Answer = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: ErrorData };

export class ThreadCalls {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: CorralError) => void }>();
  #lastId = 0;
  #gone: CorralError | undefined;
  readonly #onGone: () => void;

  /**
   * @param start the file that the thread begins with
   * @param on listeners: `other` takes messages other than answers; `gone` is called when the thread has ended, and answers nothing any more
   */
  constructor(
    start: URL,
    name: string,
    workerData: unknown,
    { other = () => undefined, gone = () => undefined }: { readonly other?: (message: unknown) => void; readonly gone?: () => void } = {},
  ) {
    this.#onGone = gone;
    this.#worker = new Worker(start, { workerData, name });
    this.#worker.on('message', (answers: unknown) => {
      if (!Array.isArray(answers)) return other(answers);
      for (const answer of answers as Answer[]) {
        const waiter = this.#waiting.get(answer.id);
        this.#waiting.delete(answer.id);
        if ('error' in answer) waiter?.reject(CorralError.from(answer.error));
        else waiter?.resolve(answer.value as never);
      }
    });
    this.#worker.on('error', (error) =>
      this.#fail(
        new CorralError('CORRAL_INTERNAL', `A thread of the store failed: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        }),
      ),
    );
    this.#worker.on('exit', () => this.#fail(new CorralError('CORRAL_STOPPING', 'The store is closed.')));
  }

  /** Resolves with the thread's first message; rejects if it could not start. */
  ready<T>(): Promise<T> {
    return new Promise((resolve, reject) => this.#waiting.set(0, { resolve, reject }));
  }

  /** @param send how the request leaves; it may wait for others */
  protected request(
    op: string,
    args: readonly unknown[],
    send: (request: Request) => void = (request) => this.post(request),
  ): Promise<never> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      send({ id, op, args });
    });
  }

  protected post(message: unknown): void {
    this.#worker.postMessage(message);
  }

  #fail(error: CorralError): void {
    this.#gone ??= error;
    this.#onGone();
    for (const waiter of this.#waiting.values()) waiter.reject(this.#gone);
    this.#waiting.clear();
  }
}
