/**
 * One request of an agent and its answer. Secrets are put in here, by the origin they belong to, after the call is in the journal; the answer
 * is bounded in its headers, its body after decompression, and its time.
 */
import { pipeline } from 'node:stream';
import { hash } from 'node:crypto';
import type { Dispatcher, Pool } from 'undici';
import { CorralError } from '@corral/protocol/errors';
import type { FailureCode, ToolCall } from '@corral/protocol/ports/tool';
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

/** A body; as a text if it is ASCII. */
export type Bytes = Buffer | string;

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  /** Decompressed; it throws HttpFailure. Not read where `whole` is. */
  readonly body: AsyncIterable<Uint8Array>;
  /** The bytes of a body that is not compressed, if its server has said how many; undici holds it to that. */
  readonly length?: number;
  /** Where `length` is known. @throws HttpFailure */
  readonly whole: () => Promise<Bytes>;
}

/** There is no answer. `sent`: whether any of the request may have left the host. */
export class HttpFailure extends Error {
  readonly sent: boolean;
  /** Another attempt would give the same. */
  readonly final: boolean;
  /** The fault of an answer that came: the request was carried out. */
  readonly code: FailureCode | undefined;
  constructor(message: string, of: Pick<HttpFailure, 'sent'> & Partial<Pick<HttpFailure, 'final' | 'code'>>, options?: ErrorOptions) {
    super(message, options);
    this.sent = of.sent;
    this.final = of.final ?? false;
    this.code = of.code;
  }
}

/** The failure of a request whose answer this capability does not read. */
export const answerRefused = (message: string, code: FailureCode, options?: ErrorOptions): HttpFailure =>
  new HttpFailure(message, { sent: true, final: true, code }, options);

/** Between two machines and not for the agent; cookies are kept by nobody, and the body is given decompressed. */
const NOT_FOR_AGENTS: ReadonlySet<string> = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'keep-alive',
  'set-cookie',
  'set-cookie2',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'alt-svc',
]);
const isBetweenMachines = (name: string): boolean => NOT_FOR_AGENTS.has(name) || name.startsWith('proxy-');
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
  /** Headers of the configuration with their texts taken apart: texts at even places, names of secrets at odd ones. */
  readonly #secrets: readonly (SecretHeader & { readonly parts: readonly string[] })[];
  #closed = false;

  constructor(options: ExchangeOptions, powers: ExchangePowers) {
    this.#options = options;
    this.#powers = powers;
    this.#secrets = options.secrets.map((secret) => ({ ...secret, parts: secret.value.split(NAMED) }));
  }

  /**
   * @param repeats whether the request may be made twice
   * @throws HttpFailure
   */
  async ask(request: HttpRequest, call: Asking & Pick<ToolCall, 'signal'>, repeats: boolean): Promise<Answer> {
    const { origin, path, query, method } = request;
    // Where there are connections, it was looked up when they were made.
    const kept = repeats ? this.#kept(origin) : undefined;
    const allowed = kept === undefined ? allowedAt(this.#options.origins, origin) : [];
    if (allowed === undefined) throw new HttpFailure(`${origin} is none of the origins of this capability.`, { sent: false, final: true });
    const headers = await this.#headersFor(request, call);
    const { bounds } = this.#options;
    const { pooled, single } = guarded ?? (await load());
    if (this.#closed || call.signal.aborted) throw new HttpFailure(`The request to ${origin} was not made.`, { sent: false });
    const own = repeats ? undefined : single(origin, allowed, bounds);
    const client: Dispatcher = own?.client ?? kept ?? this.#keep(origin, pooled(origin, allowed, bounds));
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
        whole: () => wholeOf(response.body, length ?? 0, failureOf, over),
        status: response.statusCode,
        headers: headersOf(response.headers),
        get body() {
          return bodyIn(origin, method === 'HEAD' || response.statusCode === 304, response, failureOf, over);
        },
      };
    } catch (error) {
      over();
      throw failureOf(error);
    }
  }

  async #headersFor({ origin, method, headers = {} }: HttpRequest, call: Asking) {
    const { idempotency_key } = this.#options;
    const all: Record<string, string> = { 'user-agent': 'corral', ...headers, 'accept-encoding': CODINGS };
    if (call.traceparent !== undefined) {
      all['traceparent'] = call.traceparent;
      // It belongs to a traceparent that the agent wrote, if to any.
      delete all['tracestate'];
    }
    for (const { origin: to, header, parts } of this.#secrets) {
      if (to !== origin) continue;
      let value = '';
      for (const [i, part] of parts.entries()) value += i % 2 === 0 ? part : await this.#powers.secret(part, call);
      if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value))
        throw new HttpFailure(`A secret for ${origin} holds a character that no header may hold.`, { sent: false, final: true });
      all[header] = value;
    }
    // Runs are nobody's business elsewhere, so the key says nothing about its run.
    if (idempotency_key !== undefined && method !== 'GET' && method !== 'HEAD') all[idempotency_key] = hash('sha256', call.idempotency_key);
    return all;
  }

  /** The connections to an origin that is among those of the configuration. */
  #kept(origin: string): Pool | undefined {
    const kept = this.#pools.get(origin);
    if (kept === undefined || this.#pools.size === 1) return kept;
    this.#pools.delete(origin);
    this.#pools.set(origin, kept);
    return kept;
  }

  #keep(origin: string, made: Pool): Pool {
    // Another request may have made them meanwhile.
    const other = this.#pools.get(origin);
    if (other !== undefined) {
      void made.close().catch(() => undefined);
      return other;
    }
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

function headersOf(headers: Readonly<Record<string, string | readonly string[] | undefined>>): Record<string, string> {
  const told: [string, string][] = [];
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && !isBetweenMachines(name)) told.push([name, typeof value === 'string' ? value : value.join(', ')]);
  return Object.fromEntries(told);
}

function lengthOf(method: string, { headers, statusCode }: Dispatcher.ResponseData): number | undefined {
  const { 'content-length': length, 'content-encoding': coding, 'transfer-encoding': transfer } = headers;
  if (method === 'HEAD' || statusCode === 304 || coding !== undefined || transfer !== undefined) return undefined;
  return typeof length === 'string' && /^\d{1,15}$/.test(length) ? Number(length) : undefined;
}

/** Three bytes that undici leaves out at the beginning of a text (a byte order mark in UTF-8). */
const MARK = '\u00ef\u00bb\u00bf';

async function wholeOf(
  body: Dispatcher.ResponseData['body'],
  length: number,
  failureOf: (error: unknown) => HttpFailure,
  over: () => void,
): Promise<Bytes> {
  body.on('error', () => undefined);
  try {
    // A character a byte. Most answers are ASCII, and a text is made of bytes at a fraction of what a copy of them takes.
    const read = await body.setEncoding('latin1').text();
    const text = read.length < length ? MARK + read : read;
    return Buffer.byteLength(text) === text.length ? text : Buffer.from(text, 'latin1');
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
      throw answerRefused(
        `${origin} compressed its answer in a way that the host does not know (${String(coding).slice(0, 40)}).`,
        'CORRAL_RESULT_INVALID',
      );
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
    return answerRefused(`The headers of the answer of ${origin} are too large.`, 'CORRAL_RESULT_TOO_LARGE', options);
  if (wasNeverSent(error)) return new HttpFailure(`${origin} cannot be reached.`, { sent: false }, options);
  return new HttpFailure(
    sent ? `The connection to ${origin} broke before its answer had come.` : `${origin} cannot be reached.`,
    { sent },
    options,
  );
}
