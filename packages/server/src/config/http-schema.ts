/** Requests by HTTP that agents may make, in a configuration (`http`). */
import * as z from 'zod';
import { HttpName } from '@corral/protocol/ids';
import { HTTP } from '@corral/protocol/limits-http';
import { PATH_PATTERN } from '@corral/tools/http/paths';
import { faultOfPattern } from '@corral/tools/http/patterns';
import { rangeOf } from '@corral/tools/net/addresses';
import { Returns } from './parts.ts';

export const OriginPattern = z
  .string()
  .max(300)
  .superRefine((text, issues) => {
    const fault = faultOfPattern(text);
    if (fault !== undefined) issues.addIssue({ code: 'custom', message: fault });
  });

/** An origin, and the addresses besides public ones that it may have. */
const pattern = OriginPattern.describe(
  '`https://api.example.com`; `https://*.example.com` for all names below; `https://*` for all public hosts',
);
const addresses = z
  .array(z.string().refine((text) => rangeOf(text) !== undefined, 'not an address or a range such as 10.1.0.0/16'))
  .max(32)
  .describe('addresses that it may have and that are not public, such as 10.1.0.0/16');
export const AllowedOrigin = z.union([pattern, z.strictObject({ origin: OriginPattern, addresses })]);
export type AllowedOrigin = z.output<typeof AllowedOrigin>;

/** One of several origins, which may be written by others than the rest. */
const HttpOrigin = z.union([
  pattern,
  z.strictObject({
    origin: OriginPattern,
    addresses: addresses.default([]),
    returns: Returns.exactOptional().describe('who writes its answers, instead of `returns` below'),
  }),
]);
export type HttpOrigin = z.output<typeof HttpOrigin>;

const HeaderName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'the name of a header in lower case');
const HeaderValue = z
  .string()
  .min(1)
  .max(1000)
  .regex(/\{[a-z][a-z0-9_-]{0,63}\}/, 'names no secret: `Bearer {crm}` holds the secret crm');
/** Headers with secrets. */
export const SecretHeaders = z
  .record(HeaderName, z.union([HeaderValue, z.strictObject({ value: HeaderValue, origin: OriginPattern })]))
  .describe('headers with secrets, which the host adds for one origin: `{ authorization: "Bearer {crm}" }`');
export type SecretHeaders = z.output<typeof SecretHeaders>;

const { http_answer_bytes, http_body_bytes, http_connect_ms, http_connections, http_header_bytes, http_stream_bytes, http_timeout_ms } =
  HTTP;
const bound = ({ min, max, about, default: fallback }: typeof http_answer_bytes) =>
  z.int().min(min).max(max).default(fallback).describe(about);
export const HttpLimits = z
  .strictObject({
    timeout_ms: bound(http_timeout_ms),
    connect_ms: bound(http_connect_ms),
    header_bytes: bound(http_header_bytes),
    body_bytes: bound(http_body_bytes),
    answer_bytes: bound(http_answer_bytes),
    stream_bytes: bound(http_stream_bytes),
    connections: bound(http_connections),
  })
  .prefault({});
export type HttpLimits = z.output<typeof HttpLimits>;

/** Requests for which nobody else is responsible: others open a tunnel, or repeat a request with its secrets. */
const Method = z.string().regex(/^(?!CONNECT$|TRACE$|TRACK$)[A-Z][A-Z-]{0,19}$/, 'a method such as GET, but not CONNECT or TRACE');

export const HttpConfig = z.strictObject({
  origins: z.array(HttpOrigin).min(1).max(64),
  methods: z.array(Method).min(1).max(16).default(['GET', 'HEAD']),
  paths: z
    .array(z.string().max(500).regex(PATH_PATTERN, 'a path such as /v1/contacts, /v1/contacts/* or /v1/**'))
    .min(1)
    .max(200)
    .exactOptional()
    .describe('left out: all; `*` is one segment, `/**` at the end all that follows'),
  headers: z
    .array(z.union([HeaderName, z.literal('*')]))
    .max(64)
    .default([])
    .describe('headers that agents may send besides those that say only what they accept or send; `*`: all that the host does not set'),
  secrets: SecretHeaders.default({}),
  idempotency_key: HeaderName.exactOptional().describe(
    'the header by which the server knows a repeated request, `idempotency-key`: a request whose answer was lost is then made again. Left out: nobody knows whether it was carried out, and a person is asked',
  ),
  returns: Returns.default('untrusted'),
  destructive: z.boolean().default(true).describe('whether what it changes cannot be undone'),
  private_to: z.string().min(1).max(200).exactOptional().describe('its answers may hold private data, and whose'),
  encoded_slashes: z
    .boolean()
    .default(false)
    .describe('whether paths may hold encoded slashes, as in `group%2Fproject`; a server may read them as slashes'),
  limits: HttpLimits,
});
export type HttpConfig = z.output<typeof HttpConfig>;
export const Http = z.record(HttpName, HttpConfig);
export type Http = z.output<typeof Http>;
