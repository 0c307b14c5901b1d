/**
 * Requests to a capability `http:NAME`: the arguments as a contract, which holds the configuration's lists of origins, methods, paths and
 * headers. Grants, policies and the journal see the arguments as this check returns them, with the address as the URL Standard reads it.
 */
import * as z from 'zod';
import { covers, isExact } from '@corral/protocol/model/origin';
import { checkedOf, contractOf, type Checked, type Contract } from '@corral/protocol/ports/contract';
import type { ToolAnnotations } from '@corral/protocol/ports/tool';
import { literalIn, whyNotTo, type AddressRange } from '../net/addresses.ts';
import { fitsPath, isPlain, whyUnclear } from './paths.ts';

export interface HttpRequest {
  readonly method: string;
  readonly origin: string;
  readonly path: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly body_base64?: string;
}

/** Origins that a configuration names, and the addresses besides public ones that they may have. */
export interface AllowedOrigin {
  /** @see covers */
  readonly pattern: string;
  readonly addresses: readonly AddressRange[];
  /** The writer of its answers, if that is not said for all origins together. */
  readonly returned?: Returned | undefined;
}
/** The writer of an answer, as annotations say it. */
export type Returned = Required<Pick<ToolAnnotations, 'trusted_fields'>> & { readonly returns: 'trusted' | 'untrusted' };

export interface RequestRules {
  readonly origins: readonly AllowedOrigin[];
  readonly methods: readonly string[];
  /** Undefined: all. */
  readonly paths?: readonly string[] | undefined;
  /** Names besides those that every request may have; `*`: all that the host does not set itself. */
  readonly headers: readonly string[];
  /** Names that the host sets: those of secrets, and the one of the idempotency key. */
  readonly own_headers: readonly string[];
  readonly encoded_slashes: boolean;
  readonly body_bytes: number;
}

const URL_CHARS = 8_192;
const HEADERS = 64;
const HEADER_BYTES = 16_384;

/** They say something about the request and give nobody rights. */
const HARMLESS: ReadonlySet<string> = new Set([
  'accept',
  'accept-language',
  'cache-control',
  'content-language',
  'content-type',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-unmodified-since',
  'pragma',
  'prefer',
  'range',
  'user-agent',
]);

/** Set by the host, or by what is between it and the server. */
const REFUSED =
  /^(?:accept-charset|accept-encoding|connection|content-encoding|content-length|cookie2?|date|expect|forwarded|host|http2-settings|keep-alive|origin|referer|te|trailer|transfer-encoding|upgrade|via|x-forwarded-.*|x-real-ip|x-http-method.*|x-method-override|proxy-.*|sec-.*)$/;

const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
/** RFC 9110, 5.5, without the characters that end a line. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** The addresses besides public ones that an origin may have; undefined if the origin is none of those. */
export function allowedAt(origins: readonly AllowedOrigin[], origin: string): readonly AddressRange[] | undefined {
  const covering = origins.filter(({ pattern }) => covers(pattern, origin));
  return covering.length === 0 ? undefined : covering.flatMap(({ addresses }) => addresses);
}

/** The entry for an origin, which is the one of its own name where there is one; undefined if the origin is none of those. */
export const entryFor = (origins: readonly AllowedOrigin[], origin: string): AllowedOrigin | undefined =>
  origins.find(({ pattern }) => pattern === origin) ?? origins.find(({ pattern }) => covers(pattern, origin));

/** @throws nothing: what does not fit is refused with a reason */
export function requestContract(rules: RequestRules): Contract {
  const { methods, origins } = rules;
  const [only] = origins;
  const exact = origins.every(({ pattern }) => isExact(pattern)) ? origins.map(({ pattern }) => pattern) : undefined;
  const method = z.enum(methods as [string, ...string[]]);
  const origin = exact === undefined ? z.string().min(1).max(URL_CHARS) : z.enum(exact as [string, ...string[]]);
  const fallback = methods.includes('GET') ? 'GET' : methods.length === 1 ? methods[0] : undefined;
  const shape = z.strictObject({
    method: fallback === undefined ? method : method.default(fallback),
    origin: exact?.length === 1 && only !== undefined ? origin.default(only.pattern) : origin,
    path: z.string().min(1).max(URL_CHARS).describe('begins with /, without a query'),
    query: z.string().max(URL_CHARS).optional().describe('without the question mark'),
    headers: z.record(z.string(), z.string()).optional().describe('by their names in lower case'),
    body: z.string().optional(),
    body_base64: z.string().optional().describe('a body that is not text'),
  });
  const contract = contractOf(shape);
  const read = originReader(origins);
  return {
    get schema() {
      return contract.schema;
    },
    mayHang: false,
    check(value) {
      const parsed = checkedOf(shape.safeParse(value));
      return parsed.ok ? checkRequest(parsed.value as HttpRequest, rules, read) : parsed;
    },
  };
}

const no = (where: string, message: string): Checked => ({ ok: false, where, message });

function checkRequest(given: HttpRequest, rules: RequestRules, read: ReadOrigin): Checked {
  const { method, headers = {}, body, body_base64 } = given;
  const address = addressOf(given, rules, read);
  if ('ok' in address) return address;
  const named = checkHeaders(headers, rules);
  if (!named.ok) return named;
  const sent = named.value as Readonly<Record<string, string>>;
  if (body !== undefined && body_base64 !== undefined) return no('body_base64', 'there is a body already');
  const bytes = body === undefined ? base64Bytes(body_base64 ?? '') : Buffer.byteLength(body);
  if (bytes === undefined) return no('body_base64', 'it is not base64');
  if (bytes > rules.body_bytes) return no('body', `it has ${bytes} bytes, and at most ${rules.body_bytes} are sent`);
  if ((method === 'GET' || method === 'HEAD') && bytes > 0) return no('body', `a request by ${method} has no body`);
  const content = body !== undefined ? { body } : body_base64 !== undefined ? { body_base64 } : {};
  return { ok: true, value: { method, ...address, ...(Object.keys(sent).length === 0 ? {} : { headers: sent }), ...content } };
}

type Address = Pick<HttpRequest, 'origin' | 'path' | 'query'>;

/** An origin as the URL Standard writes it, or why no request is made to it. */
type ReadOrigin = (text: string) => string | Checked;

/** Origins of which it is known what they are; agents choose them where the configuration has patterns. */
const ORIGINS = 64;

/** Reads origins, and remembers what the last ones were: an agent asks the same few again and again. */
function originReader(origins: RequestRules['origins']): ReadOrigin {
  const known = new Map<string, string | Checked>();
  return (text) => {
    const before = known.get(text);
    if (before !== undefined) return before;
    const read = originOf(text, origins);
    if (known.size >= ORIGINS) known.clear();
    known.set(text, read);
    return read;
  };
}

function originOf(origin: string, origins: RequestRules['origins']): string | Checked {
  const at = URL.parse(origin);
  if (at === null || !/^https?:$/.test(at.protocol) || at.username !== '' || at.password !== '')
    return no('origin', 'it is not an origin such as https://api.example.com');
  if (at.pathname !== '/' || at.search !== '' || at.hash !== '' || /[/?#\\]/.test(origin.replace(/^https?:\/\//i, '').replace(/\/$/, '')))
    return no('origin', 'it holds more than scheme, host and port');
  const addresses = allowedAt(origins, at.origin);
  if (addresses === undefined)
    return no(
      'origin',
      `${at.origin} is none of the origins of this capability, which are ${origins.map(({ pattern }) => pattern).join(', ')}`,
    );
  const literal = literalIn(at.hostname);
  const why = literal === undefined ? undefined : whyNotTo(literal, addresses);
  return why === undefined ? at.origin : no('origin', `${at.origin} is not connected to: ${why}`);
}

function addressOf(
  { origin: said, path, query }: HttpRequest,
  { paths, encoded_slashes }: RequestRules,
  read: ReadOrigin,
): Address | Checked {
  const origin = read(said);
  if (typeof origin !== 'string') return origin;
  if (query === undefined && isPlain(path)) return allowsPath(path, paths) ?? { origin, path };
  if (!path.startsWith('/')) return no('path', 'it does not begin with /');
  if (/[?#\\]|\p{Cc}/u.test(path)) return no('path', 'it holds one of ? # \\ or a control character; a query is an argument of its own');
  if (query?.includes('#') === true) return no('query', 'it holds #');
  const url = URL.parse(`${origin}${path}${query === undefined ? '' : `?${query}`}`);
  if (url === null || url.origin !== origin) return no('path', 'it is not the path of a URL');
  const unclear = whyUnclear(url.pathname, encoded_slashes);
  if (unclear !== undefined) return no('path', unclear);
  return allowsPath(url.pathname, paths) ?? { origin, path: url.pathname, ...(url.search === '' ? {} : { query: url.search.slice(1) }) };
}

/** The refusal of a path that the configuration does not name. */
function allowsPath(path: string, paths: RequestRules['paths']): Checked | undefined {
  if (paths === undefined || paths.some((pattern) => fitsPath(pattern, path))) return undefined;
  return no('path', `${path.slice(0, 200)} is none of the paths of this capability, which are ${paths.join(', ').slice(0, 500)}`);
}

/** The headers that go out; those that the host sets in their place are left out. */
function checkHeaders(headers: Readonly<Record<string, string>>, rules: RequestRules): Checked {
  const all = Object.entries(headers);
  if (all.length > HEADERS) return no('headers', `there are more than ${HEADERS}`);
  let bytes = 0;
  const sent: Record<string, string> = {};
  for (const [name, value] of all) {
    bytes += name.length + value.length;
    if (!TOKEN.test(name)) return no('headers', `${JSON.stringify(name.slice(0, 100))} is not the name of a header in lower case`);
    if (REFUSED.test(name)) return no(`headers.${name}`, 'the host sets it');
    if (!VALUE.test(value)) return no(`headers.${name}`, 'it holds a character that no header may hold');
    if (rules.own_headers.includes(name)) continue;
    if (!HARMLESS.has(name) && !rules.headers.includes('*') && !rules.headers.includes(name))
      return no(`headers.${name}`, 'this capability sends no such header; `headers` of the configuration would name it');
    sent[name] = value;
  }
  return bytes > HEADER_BYTES ? no('headers', `they have more than ${HEADER_BYTES} bytes`) : { ok: true, value: sent };
}

/** Number of bytes that a text in base64 stands for. */
function base64Bytes(text: string): number | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  return (text.length / 4) * 3 - (text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0);
}

/** A body as it is sent. */
export function bodyOf({ body, body_base64 }: Pick<HttpRequest, 'body' | 'body_base64'>): string | Buffer | undefined {
  return body_base64 === undefined ? body : Buffer.from(body_base64, 'base64');
}
