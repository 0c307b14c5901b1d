/** Capabilities of the run that answer requests, by their address. */

export interface CallOptions {
  readonly timeout_ms?: number;
  readonly signal?: AbortSignal;
}
/** A tool that the run holds. */
export interface Held {
  readonly alias: string;
  /** `model:default` */
  readonly name: string;
  readonly tool: {
    (input: unknown, options: CallOptions): Promise<unknown>;
    /** The answer in parts; absent where the prelude has no streams of calls. */
    stream?(input: unknown, options: CallOptions): PartStream;
  };
}
export interface PartStream {
  next(): Promise<IteratorResult<unknown, undefined>>;
  return(): Promise<unknown>;
  /** The answer without its content, once all parts were read. */
  readonly result: Promise<unknown>;
}
interface Exchange {
  readonly method: string;
  readonly body: string;
  readonly options: CallOptions;
}
/** Answers requests to an address. It rejects with what the call rejects with, where HTTP has no status for that. */
export type Route = (exchange: Exchange) => Promise<Response>;

/** An error of the host or the prelude. */
export interface Ours extends Error {
  readonly code: string;
  readonly retryable: boolean;
}
export const isOurs = (error: unknown): error is Ours => error instanceof corral.errorClass('CorralError');
declare const corral: { errorClass(name: string): new (...args: never[]) => Error };

/** As `fetch` fails where there is no answer. */
export const failed = (cause: Error): TypeError => new TypeError(`fetch failed: ${cause.message}`, { cause });

/** How a request fails whose call does. The time of a call is that of the signal that its request was given. */
export function failureOf(error: unknown, { timeout_ms }: CallOptions): unknown {
  if (!isOurs(error)) return error;
  return timeout_ms !== undefined && error.name === 'TimedOut'
    ? new DOMException('The operation timed out.', 'TimeoutError')
    : failed(error);
}
