/**
 * The `fetch` of one attempt at a model: one request over a connection of its own, with the whole answer read before it is given on,
 * unless it is a stream. So it is known whether anything was sent, and each failure is told apart here and not by the errors of a
 * provider's package. It differs from Node's `fetch`: nothing but the signal ends the wait for an answer, no redirect is followed, and no
 * proxy of the host's environment is used.
 */
import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { pipeline } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { MACHINE } from '@corral/protocol/limits';
import { certificateText } from '../net/certificates.ts';
import { decoderOf } from '../net/decoders.ts';
import { ModelFailure } from './model.ts';

/** One attempt and what became of it. */
export interface Attempt {
  readonly fetch: typeof fetch;
  /** Whether a request was made; what failed before did so on this host. */
  readonly called: boolean;
  /** Why there is no answer, in the host's words; undefined where one came, with whichever status. */
  readonly failure: ModelFailure | undefined;
  /** Tells the attempt that its stream gave a part; the bytes that wait for one are counted from here. */
  readonly took: () => void;
}

export interface Bounds {
  /** Bytes of an answer, after they were decompressed; of a stream, what is read before the next part comes of it. */
  readonly answer_bytes: number;
  /** Bytes of a stream, after they were decompressed. */
  readonly stream_bytes: number;
  readonly connect_ms: number;
}

const DEFAULTS: Bounds = {
  answer_bytes: MACHINE.model_answer_bytes.default,
  stream_bytes: MACHINE.model_stream_bytes.default,
  connect_ms: MACHINE.model_connect_ms.default,
};

interface AttemptOptions {
  readonly bounds?: Bounds;
  /** The body of a successful answer is a stream, which reads no faster than it is read. */
  readonly streams?: boolean;
}

/** @param of the model and its provider, as failures name them */
export function attemptAt(of: string, { bounds = DEFAULTS, streams = false }: AttemptOptions = {}): Attempt {
  let called = false;
  let failure: ModelFailure | undefined;
  const flow = streams ? new Flow((broken) => (failure ??= broken)) : undefined;
  const made = async (input: Parameters<typeof fetch>[0], init: RequestInit = {}): Promise<Response> => {
    // The purse has what one request may cost.
    if (called) throw new ModelFailure('lost', `${of} wanted a second request before it had answered; an attempt is one request.`);
    called = true;
    return exchanged(of, new URL(input instanceof Request ? input.url : input), init, bounds, flow);
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
    took: () => flow?.took(),
  };
}

/** The body of an answer that is read as a stream. */
class Flow {
  readonly #failed: (failure: ModelFailure) => void;
  /** Bytes since the last part. */
  #unused = 0;

  constructor(failed: (failure: ModelFailure) => void) {
    this.#failed = failed;
  }

  took(): void {
    this.#unused = 0;
  }

  /** @param failureOf what an error of the connection means @param over called once, when nothing more is read */
  body(of: string, chunks: AsyncIterator<Uint8Array>, bounds: Bounds, failureOf: (error: unknown) => ModelFailure, over: () => void) {
    const { answer_bytes, stream_bytes } = bounds;
    let bytes = 0;
    const next = async (): Promise<Uint8Array | undefined> => {
      const { done, value } = await chunks.next();
      if (done === true) return undefined;
      bytes += value.byteLength;
      this.#unused += value.byteLength;
      if (bytes > stream_bytes || this.#unused > answer_bytes) throw tooLarge(of, bytes > stream_bytes ? stream_bytes : answer_bytes);
      return value;
    };
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          try {
            const chunk = await next();
            if (chunk !== undefined) return controller.enqueue(chunk);
            over();
            controller.close();
          } catch (error) {
            over();
            const failure = error instanceof ModelFailure ? error : failureOf(error);
            this.#failed(failure);
            controller.error(failure);
          }
        },
        cancel: over,
      },
      { highWaterMark: 0 },
    );
  }
}

/**
 * A connection that is used again may have been closed by the server just then, which looks like an answer that was lost. A new one
 * costs a fraction of what a model takes to answer.
 */
const AGENTS = { http: new HttpAgent({ keepAlive: false }), https: new HttpsAgent({ keepAlive: false, rejectUnauthorized: true }) };
/** A model may think for minutes in which nothing is sent; a router forgets a connection that is quiet so long. */
const QUIET_MS = 30_000;

async function exchanged(of: string, url: URL, init: RequestInit, bounds: Bounds, flow: Flow | undefined): Promise<Response> {
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
  const connection = connecting(request, secure, bounds.connect_ms);
  const over = () => {
    connection.over();
    request.destroy();
  };
  const failureOf = (error: unknown) =>
    error instanceof ModelFailure ? error : connectionFailure(of, connection, error, signal?.aborted === true);
  let flows = false;
  try {
    const response = await responseTo(request, body);
    const { statusCode: status = 0 } = response;
    if (status >= 300 && status < 400)
      throw new ModelFailure(
        'refused',
        `${of} is elsewhere, by its answer ${status}: redirects are not followed, since the host’s key would go there too. The configuration’s base_url names the place.`,
      );
    const chunks = decoded(of, response);
    const answer = { status, headers: headersOf(response) };
    // Answers with these two have no body.
    flows = flow !== undefined && status < 300 && status !== 204 && status !== 205;
    if (flow !== undefined && flows) return new Response(flow.body(of, chunks[Symbol.asyncIterator](), bounds, failureOf, over), answer);
    const bytes = await read(of, response, chunks, bounds.answer_bytes);
    return new Response(bytes.length === 0 ? null : bytes, answer);
  } catch (error) {
    throw failureOf(error);
  } finally {
    if (!flows) over();
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

const tooLarge = (of: string, most: number) =>
  new ModelFailure('lost', `The answer of ${of} is larger than ${most} bytes, which is more than a host reads.`);

/** The body, uncompressed. */
function decoded(of: string, response: IncomingMessage): AsyncIterable<Uint8Array> {
  const coding = response.headers['content-encoding'];
  const decoder = decoderOf(coding);
  if (decoder === undefined)
    throw new ModelFailure('lost', `${of} compressed its answer in a way that the host does not know (${String(coding).slice(0, 40)}).`);
  // An error on the way is thrown where the body is read.
  return decoder === 'identity' ? response : pipeline(response, decoder, () => undefined);
}

async function read(
  of: string,
  { headers }: IncomingMessage,
  chunks: AsyncIterable<Uint8Array>,
  most: number,
): Promise<Uint8Array<ArrayBuffer>> {
  if (Number(headers['content-length'] ?? 0) > most) throw tooLarge(of, most);
  const all: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.byteLength;
    if (bytes > most) throw tooLarge(of, most);
    all.push(chunk);
  }
  return new Uint8Array(Buffer.concat(all));
}

function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) headers.append(rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '');
  return headers;
}

function connectionFailure(of: string, { made, certificate }: Connection, cause: unknown, aborted: boolean): ModelFailure {
  if (certificate !== undefined) {
    return new ModelFailure('refused', `The certificate of the server of ${of} is not accepted: ${certificateText(certificate)}.`, {
      cause,
    });
  }
  if (!made) return new ModelFailure('busy', `${of} cannot be reached.`, { cause });
  if (aborted) return new ModelFailure('lost', `The request to ${of} was given up before its answer had come.`, { cause });
  return new ModelFailure('lost', `The connection to ${of} broke before its answer had come.`, { cause });
}
