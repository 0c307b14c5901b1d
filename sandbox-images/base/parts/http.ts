/**
 * Requests to the origins of the capabilities `http:NAME` that the run holds. Each becomes a call, and so does each redirect: the grant, the
 * policies and the budget are asked about every address, and a redirect to one that no capability answers for is refused.
 */
import type { HttpAnswer, HttpHead } from '@corral/guest';
import { covers, isExact } from '@corral/guest/http';
import { isOurs, type CallOptions, type Held, type PartStream } from './route.ts';

/** @see https://fetch.spec.whatwg.org/#forbidden-request-header: these are dropped without a word, as browsers do. */
const FORBIDDEN =
  /^(?:accept-charset|accept-encoding|access-control-request-.*|connection|content-length|cookie2?|date|dnt|expect|host|keep-alive|origin|referer|set-cookie|te|trailer|transfer-encoding|upgrade|via|proxy-.*|sec-.*)$/;
/** @see https://fetch.spec.whatwg.org/#concept-http-redirect-fetch */
const MOST_REDIRECTS = 20;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const WITHOUT_BODY: ReadonlySet<number> = new Set([101, 103, 204, 205, 304]);

export interface Asked {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly body: Uint8Array | undefined;
  readonly redirect: 'error' | 'follow' | 'manual';
  readonly options: CallOptions;
}

export const overHttp = (held: readonly Held[]): readonly Held[] => held.filter(({ reaches }) => reaches !== undefined);

/** The capability that answers for an origin: one that names it before one with a pattern, one with the method before others. */
export function holderOf(held: readonly Held[], origin: string, method: string): Held | undefined {
  const able = overHttp(held).filter(({ reaches }) => reaches?.origins.some((pattern) => covers(pattern, origin)));
  const rank = ({ reaches }: Held) =>
    (reaches?.methods.includes(method) === true ? 2 : 0) +
    (reaches?.origins.some((one) => isExact(one) && one === origin) === true ? 1 : 0);
  return able.reduce<Held | undefined>((best, one) => (best === undefined || rank(one) > rank(best) ? one : best), undefined);
}

/**
 * @param refused makes the error for an address that no capability answers for
 * @throws what the calls reject with
 */
export async function askedByHttp(held: readonly Held[], first: Asked, refused: (url: URL) => Error): Promise<Response> {
  let asked = first;
  for (let hops = 0; ; hops += 1) {
    const holder = holderOf(held, asked.url.origin, asked.method);
    if (holder === undefined) throw refused(asked.url);
    const response = await answered(holder, asked);
    const location = REDIRECTS.has(response.status) ? response.headers.get('location') : null;
    if (location === null || asked.redirect === 'manual') return named(response, asked.url, hops > 0);
    if (asked.redirect === 'error')
      throw new TypeError(`fetch failed: ${asked.url.href} was redirected, and the request says redirect: 'error'.`);
    if (hops === MOST_REDIRECTS) throw new TypeError(`fetch failed: ${first.url.href} was redirected more than ${MOST_REDIRECTS} times.`);
    const to = URL.canParse(location, asked.url.href) ? new URL(location, asked.url.href) : null;
    if (to === null || !/^https?:$/.test(to.protocol))
      throw new TypeError(`fetch failed: ${asked.url.href} was redirected to an address that is not HTTP.`);
    if (to.hash === '') to.hash = asked.url.hash;
    asked = redirected(asked, to, response.status);
  }
}

/** The request at the place to which an answer refers. Credentials for one origin do not go to another. */
function redirected({ url, method, headers, body, redirect, options }: Asked, to: URL, status: number): Asked {
  const next = new Headers(headers);
  if (to.origin !== url.origin) for (const name of ['authorization', 'cookie', 'proxy-authorization', 'x-api-key']) next.delete(name);
  const asGet = status === 303 ? method !== 'GET' && method !== 'HEAD' : (status === 301 || status === 302) && method === 'POST';
  if (!asGet) return { url: to, method, headers: next, body, redirect, options };
  for (const name of ['content-encoding', 'content-language', 'content-location', 'content-type']) next.delete(name);
  return { url: to, method: 'GET', headers: next, body: undefined, redirect, options };
}

async function answered({ tool }: Held, asked: Asked): Promise<Response> {
  const input = inputOf(asked);
  if (/\btext\/event-stream\b/.test(asked.headers.get('accept') ?? ''))
    try {
      return await streamed(tool.stream(input, asked.options));
    } catch (error) {
      // A tool that stands for the capability may answer as a whole only.
      if (!isOurs(error) || error.code !== 'CORRAL_STREAM_UNSUPPORTED') throw error;
    }
  const { status, headers, body, body_base64 } = (await tool(input, asked.options)) as HttpAnswer;
  const content = body_base64 === undefined ? (body ?? null) : bytesOf(body_base64);
  return new Response(WITHOUT_BODY.has(status) ? null : content, { status, headers });
}

function inputOf({ url, method, headers, body }: Asked): object {
  const sent: Record<string, string> = {};
  for (const [name, value] of headers) if (!FORBIDDEN.test(name)) sent[name] = value;
  return {
    method,
    origin: url.origin,
    path: url.pathname,
    ...(url.search === '' ? {} : { query: url.search.slice(1) }),
    ...(Object.keys(sent).length === 0 ? {} : { headers: sent }),
    ...(body === undefined ? {} : bodyOf(body)),
  };
}

function bodyOf(bytes: Uint8Array): { readonly body: string } | { readonly body_base64: string } {
  try {
    return { body: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { body_base64: base64Of(bytes) };
  }
}

function base64Of(bytes: Uint8Array): string {
  let text = '';
  // So few arguments at once that the stack holds them.
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

const bytesOf = (base64: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

/** An answer whose body is read part by part. */
async function streamed(parts: PartStream): Promise<Response> {
  const first = await parts.next();
  const { status, headers } = (first.done === true ? await parts.result : first.value) as HttpHead;
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        const { done, value } = await parts.next();
        if (done === true) controller.close();
        else controller.enqueue(encoder.encode(value as string));
      },
      async cancel() {
        await parts.return();
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(WITHOUT_BODY.has(status) ? null : body, { status, headers });
}

function named(response: Response, url: URL, redirected: boolean): Response {
  const { origin, pathname, search } = url;
  Object.defineProperty(response, 'url', { value: origin + pathname + search });
  Object.defineProperty(response, 'redirected', { value: redirected });
  return response;
}
