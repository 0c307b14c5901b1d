/**
 * The `fetch` of one attempt at a model: one request over a connection of its own, with the whole answer read before it is given on. So
 * it is known whether anything was sent, and each failure is told apart here and not by the errors of a provider's package. It differs
 * from Node's `fetch`: nothing but the signal ends the wait for an answer, no redirect is followed, and no proxy of the host's
 * environment is used.
 */
import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { pipeline, type Transform } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { MACHINE } from '@corral/protocol/limits';
import { ModelFailure } from './model.ts';

/** One attempt and what became of it. */
export interface Attempt {
  readonly fetch: typeof fetch;
  /** Whether a request was made; what failed before did so on this host. */
  readonly called: boolean;
  /** Why there is no answer, in the host's words; undefined where one came, with whichever status. */
  readonly failure: ModelFailure | undefined;
}

export interface Bounds {
  /** Bytes of an answer, after they were decompressed. */
  readonly answer_bytes: number;
  readonly connect_ms: number;
}

const DEFAULTS: Bounds = { answer_bytes: MACHINE.model_answer_bytes.default, connect_ms: MACHINE.model_connect_ms.default };

/** @param of the model and its provider, as failures name them */
export function attemptAt(of: string, bounds: Bounds = DEFAULTS): Attempt {
  let called = false;
  let failure: ModelFailure | undefined;
  const made = async (input: Parameters<typeof fetch>[0], init: RequestInit = {}): Promise<Response> => {
    // The purse has what one request may cost.
    if (called) throw new ModelFailure('lost', `${of} wanted a second request before it had answered; an attempt is one request.`);
    called = true;
    return exchanged(of, new URL(input instanceof Request ? input.url : input), init, bounds);
  };
  return {
    fetch: (input, init) =>
      made(input, init).catch((error: unknown) => {
        // Any other error comes before the request is sent, such as a character that may not stand in a header.
        failure ??=
          error instanceof ModelFailure ? error : new ModelFailure('refused', `The request to ${of} could not be made.`, { cause: error });
        throw failure;
      }),
    get called() {
      return called;
    },
    get failure() {
      return failure;
    },
  };
}

/**
 * A connection that is used again may have been closed by the server just then, which looks like an answer that was lost. A new one
 * costs a fraction of what a model takes to answer.
 */
const AGENTS = { http: new HttpAgent({ keepAlive: false }), https: new HttpsAgent({ keepAlive: false, rejectUnauthorized: true }) };
/** A model may think for minutes in which nothing is sent; a router forgets a connection that is quiet so long. */
const QUIET_MS = 30_000;

async function exchanged(of: string, url: URL, init: RequestInit, { answer_bytes, connect_ms }: Bounds): Promise<Response> {
  const { method = 'GET', signal } = init;
  const body = bodyOf(init);
  const secure = url.protocol === 'https:';
  const request = (secure ? httpsRequest : httpRequest)(url, {
    method,
    headers: Object.fromEntries(new Headers(init.headers)),
    agent: secure ? AGENTS.https : AGENTS.http,
    ...(signal === null || signal === undefined ? {} : { signal }),
  });
  request.setSocketKeepAlive(true, QUIET_MS);
  const connection = connecting(request, secure, connect_ms);
  try {
    const response = await responseTo(request, body);
    const { statusCode: status = 0 } = response;
    if (status >= 300 && status < 400)
      throw new ModelFailure(
        'refused',
        `${of} is elsewhere, by its answer ${status}: redirects are not followed, since the host’s key would go there too. The configuration’s base_url names the place.`,
      );
    const bytes = await read(of, response, answer_bytes);
    return new Response(bytes.length === 0 ? null : bytes, { status, headers: headersOf(response) });
  } catch (error) {
    if (error instanceof ModelFailure) throw error;
    throw connectionFailure(of, connection, error, signal?.aborted === true);
  } finally {
    connection.over();
    request.destroy();
  }
}

type Body = string | Uint8Array | null | undefined;

function bodyOf({ body }: RequestInit): Body {
  if (body === null || body === undefined || typeof body === 'string' || body instanceof Uint8Array) return body;
  throw new TypeError('The body of a request to a model is text or bytes.');
}

interface Connection {
  /** Only then does anything of the request leave the host. */
  readonly made: boolean;
  /** Why the server's certificate was not accepted. */
  readonly certificate: string | undefined;
  readonly over: () => void;
}

function connecting(request: ClientRequest, secure: boolean, within_ms: number): Connection {
  let made = false;
  const timer = setTimeout(() => request.destroy(new Error(`There was no connection within ${within_ms} ms.`)), within_ms);
  const over = () => clearTimeout(timer);
  request.once('socket', (socket) =>
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      made = true;
      over();
    }),
  );
  return {
    get made() {
      return made;
    },
    get certificate() {
      // The code of an error, whatever the types of Node say.
      const why = (request.socket as TLSSocket | null)?.authorizationError as unknown;
      return !made && typeof why === 'string' ? why : undefined;
    },
    over,
  };
}

function responseTo(request: ClientRequest, body: Body): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve);
    // Also after the answer has begun, when nobody waits here any more: an error without a listener would end the host.
    request.on('error', reject);
    if (body === null || body === undefined) request.end();
    else request.end(body);
  });
}

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

async function read(of: string, response: IncomingMessage, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const tooLarge = () => new ModelFailure('lost', `The answer of ${of} is larger than ${most} bytes, which is more than a host reads.`);
  if (Number(response.headers['content-length'] ?? 0) > most) throw tooLarge();
  const coding = response.headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  const decoder = DECODERS[coding]?.();
  if (decoder === undefined && coding !== 'identity')
    throw new ModelFailure('lost', `${of} compressed its answer in a way that the host does not know (${coding.slice(0, 40)}).`);
  // The loop throws what goes wrong on the way.
  const decoded = decoder === undefined ? response : pipeline(response, decoder, () => undefined);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of decoded as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > most) throw tooLarge();
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) headers.append(rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '');
  return headers;
}

const CERTIFICATES: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is signed by itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'the authority at the end of its chain is not one that this host trusts',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the authority that signed it is unknown',
  UNABLE_TO_GET_ISSUER_CERT: 'the authority that signed it is unknown',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'the authority that signed it is unknown',
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  ERR_TLS_CERT_ALTNAME_INVALID: 'it is for another name',
};

function connectionFailure(of: string, { made, certificate }: Connection, cause: unknown, aborted: boolean): ModelFailure {
  if (certificate !== undefined) {
    const why = CERTIFICATES[certificate];
    const text = why === undefined ? certificate : `${why} (${certificate})`;
    return new ModelFailure('refused', `The certificate of the server of ${of} is not accepted: ${text}.`, { cause });
  }
  if (!made) return new ModelFailure('busy', `${of} cannot be reached.`, { cause });
  if (aborted) return new ModelFailure('lost', `The request to ${of} was given up before its answer had come.`, { cause });
  return new ModelFailure('lost', `The connection to ${of} broke before its answer had come.`, { cause });
}
