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
  readonly tool: (input: unknown, options: CallOptions) => Promise<unknown>;
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
