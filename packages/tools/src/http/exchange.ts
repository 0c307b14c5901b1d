/**
 * One request of an agent and its answer. Secrets are put in here, by the origin they belong to, after the call is in the journal; the answer
 * is bounded in its headers, its body after decompression, and its time.
 */
import { pipeline } from 'node:stream';
import { hash } from 'node:crypto';
import type { Dispatcher, Pool } from 'undici';
import { CorralError } from '@corral/protocol/errors';
import type { ToolCall } from '@corral/protocol/ports/tool';
import { certificateText, isCertificateCode } from '../net/certificates.ts';
import { CODINGS, decoderOf } from '../net/decoders.ts';
import type * as Guarded from '../net/guarded.ts';
import type { Bounds } from '../net/guarded.ts';
import { wasNeverSent } from '../net/never-sent.ts';
import { allowedAt, bodyOf, type AllowedOrigin, type HttpRequest } from './request.ts';

/** The caller, as far as it decides which account is meant. */
export type Caller = Pick<ToolCall, 'tenant' | 'agent' | 'person'>;
type Asking = Caller & Pick<ToolCall, 'idempotency_key' | 'traceparent'>;

/** A header that the host adds to requests to one origin, and to no other. */
export interface SecretHeader {
  readonly origin: string;
  readonly header: string;
  /** Text with names of secrets in braces: `Bearer {crm}`. */
  readonly value: string;
}

export interface ExchangeOptions {
  readonly origins: readonly AllowedOrigin[];
  readonly secrets: readonly SecretHeader[];
  /** The header by which the server knows a repeated request, if it does. */
  readonly idempotency_key?: string | undefined;
  readonly bounds: Bounds & { readonly answer_bytes: number; readonly stream_bytes: number };
}

export interface ExchangePowers {
  /** @throws CORRAL_SECRET_MISSING, CORRAL_SECRET_DENIED */
  readonly secret: (name: string, caller: Caller) => Promise<string>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  /** Decompressed; it throws HttpFailure. Not read where `whole` is. */
  readonly body: AsyncIterable<Uint8Array>;
  /** The bytes of a body that is not compressed, if its server has said how many; undici holds it to that. */
  readonly length?: number;
  /** @throws HttpFailure */
  readonly whole: () => Promise<Buffer>;
}

/** There is no answer. `sent`: whether any of the request may have left the host. */
export class HttpFailure extends Error {
  readonly sent: boolean;
  /** Another attempt would give the same. */
  readonly final: boolean;
  constructor(message: string, of: { readonly sent: boolean; readonly final?: boolean }, options?: ErrorOptions) {
    super(message, options);
    this.sent = of.sent;
    this.final = of.final ?? false;
  }
}

/** Between two machines and not for the agent; cookies are kept by nobody, and the body is given decompressed. */
const NOT_FOR_AGENTS =
  /^(?:connection|content-encoding|content-length|keep-alive|proxy-.*|set-cookie2?|te|trailer|transfer-encoding|upgrade|alt-svc)$/;
/** Origins with connections that are kept. */
const MOST_POOLS = 64;

/** undici is loaded when the first request is made; to ask for the module each time would take as long as a request. */
let guarded: Pick<typeof Guarded, 'pooled' | 'single'> | undefined;
const load = async () => (guarded = await import('../net/guarded.ts'));

export class Exchange {
  readonly #options: ExchangeOptions;
  readonly #powers: ExchangePowers;
  /** By origin, least recently used first. */
  readonly #pools = new Map<string, Pool>();
  #closed = false;

  constructor(options: ExchangeOptions, powers: ExchangePowers) {
    this.#options = options;
    this.#powers = powers;
  }

  /**
   * @param repeats whether the request may be made twice
   * @throws HttpFailure
   */
  async ask(request: HttpRequest, call: Asking & Pick<ToolCall, 'signal'>, repeats: boolean): Promise<Answer> {
    const { origin, path, query, method } = request;
    const allowed = allowedAt(this.#options.origins, origin);
    if (allowed === undefined) throw new HttpFailure(`${origin} is none of the origins of this capability.`, { sent: false, final: true });
    const headers = await this.#headersFor(request, call);
    const { bounds } = this.#options;
    const { pooled, single } = guarded ?? (await load());
    if (this.#closed || call.signal.aborted) throw new HttpFailure(`The request to ${origin} was not made.`, { sent: false });
    const own = repeats ? undefined : single(origin, allowed, bounds);
    const client: Dispatcher = own?.client ?? this.#pool(origin, () => pooled(origin, allowed, bounds));
    const over = () => void own?.client.destroy().catch(() => undefined);
    const failureOf = (error: unknown) => failed(error, origin, own === undefined || own.sent(), call.signal.aborted);
    try {
      const response = await client.request({
        method,
        path: query === undefined ? path : `${path}?${query}`,
        headers,
        body: bodyOf(request) ?? null,
        signal: call.signal,
      });
      const length = lengthOf(method, response);
      return {
        ...(length === undefined ? {} : { length }),
        whole: () => wholeOf(response.body, failureOf, over),
        status: response.statusCode,
        headers: headersOf(response.headers),
        body: bodyIn(origin, method === 'HEAD' || response.statusCode === 304, response, failureOf, over),
      };
    } catch (error) {
      over();
      throw failureOf(error);
    }
  }

  async #headersFor({ origin, method, headers = {} }: HttpRequest, call: Asking) {
    const { secrets, idempotency_key } = this.#options;
    const all: Record<string, string> = { 'user-agent': 'corral', ...headers, 'accept-encoding': CODINGS };
    if (call.traceparent !== undefined) {
      all['traceparent'] = call.traceparent;
      // It belongs to a traceparent that the agent wrote, if to any.
      delete all['tracestate'];
    }
    for (const secret of secrets) {
      if (secret.origin !== origin) continue;
      const value = await filledIn(secret.value, (name) => this.#powers.secret(name, call));
      if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value))
        throw new HttpFailure(`A secret for ${origin} holds a character that no header may hold.`, { sent: false, final: true });
      all[secret.header] = value;
    }
    // Runs are nobody's business elsewhere, so the key says nothing about its run.
    if (idempotency_key !== undefined && method !== 'GET' && method !== 'HEAD') all[idempotency_key] = hash('sha256', call.idempotency_key);
    return all;
  }

  #pool(origin: string, make: () => Pool): Pool {
    const known = this.#pools.get(origin);
    if (known !== undefined) {
      this.#pools.delete(origin);
      this.#pools.set(origin, known);
      return known;
    }
    const made = make();
    this.#pools.set(origin, made);
    for (const [oldest, pool] of this.#pools) {
      if (this.#pools.size <= MOST_POOLS) break;
      this.#pools.delete(oldest);
      // It ends when the requests under way have.
      void pool.close().catch(() => undefined);
    }
    return made;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.destroy().catch(() => undefined)));
  }
}

const NAMED = /\{([a-z][a-z0-9_-]{0,63})\}/g;
/** Names of secrets in the text of a header. */
export const secretsIn = (value: string): string[] => [...value.matchAll(NAMED)].map(([, name = '']) => name);

async function filledIn(value: string, secret: (name: string) => Promise<string>): Promise<string> {
  let text = '';
  let from = 0;
  for (const { 0: whole, 1: name = '', index } of value.matchAll(NAMED)) {
    text += value.slice(from, index) + (await secret(name));
    from = index + whole.length;
  }
  return text + value.slice(from);
}

function headersOf(headers: Readonly<Record<string, string | readonly string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || NOT_FOR_AGENTS.test(name) ? [] : [[name, typeof value === 'string' ? value : value.join(', ')]],
    ),
  );
}

function lengthOf(method: string, { headers, statusCode }: Dispatcher.ResponseData): number | undefined {
  const { 'content-length': length, 'content-encoding': coding, 'transfer-encoding': transfer } = headers;
  if (method === 'HEAD' || statusCode === 304 || coding !== undefined || transfer !== undefined) return undefined;
  return typeof length === 'string' && /^\d{1,15}$/.test(length) ? Number(length) : undefined;
}

async function wholeOf(
  body: Dispatcher.ResponseData['body'],
  failureOf: (error: unknown) => HttpFailure,
  over: () => void,
): Promise<Buffer> {
  body.on('error', () => undefined);
  try {
    return Buffer.from(await body.arrayBuffer());
  } catch (error) {
    throw failureOf(error);
  } finally {
    over();
  }
}

/** The body, uncompressed. It is not bounded here. */
async function* bodyIn(
  origin: string,
  isEmpty: boolean,
  { body, headers }: Dispatcher.ResponseData,
  failureOf: (error: unknown) => HttpFailure,
  over: () => void,
): AsyncGenerator<Uint8Array> {
  // It is destroyed below, whoever has read it; an error without a listener would end the host.
  body.on('error', () => undefined);
  try {
    // Its coding is that of a body which is not there.
    if (isEmpty) return await body.dump();
    const coding = headers['content-encoding'];
    const decoder = decoderOf(typeof coding === 'object' ? coding.join(',') : coding);
    if (decoder === undefined)
      throw new HttpFailure(`${origin} compressed its answer in a way that the host does not know (${String(coding).slice(0, 40)}).`, {
        sent: true,
        final: true,
      });
    // An error on the way is thrown where the body is read.
    yield* (decoder === 'identity' ? body : pipeline(body, decoder, () => undefined)) as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw error instanceof HttpFailure ? error : failureOf(error);
  } finally {
    body.destroy();
    over();
  }
}

function failed(error: unknown, origin: string, sent: boolean, aborted: boolean): HttpFailure {
  const options = { cause: error };
  if (error instanceof HttpFailure) return error;
  if (error instanceof CorralError) throw error;
  const code = (error as { readonly code?: unknown } | null)?.code;
  if (code === 'CORRAL_ADDRESS') return new HttpFailure((error as Error).message, { sent: false, final: true }, options);
  if (isCertificateCode(code))
    return new HttpFailure(
      `The certificate of ${origin} is not accepted: ${certificateText(code)}.`,
      { sent: false, final: true },
      options,
    );
  if (aborted) return new HttpFailure(`The request to ${origin} was given up before its answer had come.`, { sent }, options);
  if (code === 'UND_ERR_HEADERS_OVERFLOW')
    return new HttpFailure(`The headers of the answer of ${origin} are too large.`, { sent: true, final: true }, options);
  if (wasNeverSent(error)) return new HttpFailure(`${origin} cannot be reached.`, { sent: false }, options);
  return new HttpFailure(
    sent ? `The connection to ${origin} broke before its answer had come.` : `${origin} cannot be reached.`,
    { sent },
    options,
  );
}
