/** Capabilities of the run that answer requests, by their address. */

export interface CallOptions {
  readonly timeout_ms?: number;
  readonly signal?: AbortSignal;
}
/** A tool that the run holds. */
export interface Held {
  readonly alias: string;
  /** `model:default`, `http:crm` */
  readonly name: string;
  /** Origins and methods that it answers for. */
  readonly reaches?: { readonly origins: readonly string[]; readonly methods: readonly string[] } | undefined;
  readonly tool: {
    (input: unknown, options: CallOptions): Promise<unknown>;
    /** The answer in parts. */
    stream(input: unknown, options: CallOptions): PartStream;
  };
}
export interface PartStream {
  next(): Promise<IteratorResult<unknown, undefined>>;
  return(): Promise<unknown>;
  /** The answer without its content, once all parts were read. */
  readonly result: Promise<unknown>;
}
/** The tools of a run, as the prelude gives them to a part. */
export interface Reach {
  /** Undefined before the run has started. */
  readonly held: readonly Held[] | undefined;
  /** Longest request. */
  readonly most_bytes: number;
  error(code: 'CORRAL_CAP_NOT_GRANTED' | 'CORRAL_EFFECT_TOO_LARGE', message: string): Error;
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

export const modelsIn = (held: readonly Held[]): readonly Held[] => held.filter(({ name }) => name.startsWith('model:'));

/** @param name an alias of the run, or the name in the configuration */
export const modelCalled = (held: readonly Held[], name: string): Held | undefined =>
  modelsIn(held).find((one) => one.alias === name || one.name === `model:${name}`);

/** The model that a request is for: the one that it names, else the only one. */
export function modelIn(held: readonly Held[], name: string | undefined): Held | undefined {
  const models = modelsIn(held);
  return (name === undefined ? undefined : modelCalled(models, name)) ?? (models.length === 1 ? models[0] : undefined);
}
