/**
 * The cookie of a console's session. A cookie is sent to a name, whatever the port, so its name has the port: two hosts on one machine do not
 * sign each other's people out.
 */
import type { FastifyRequest } from 'fastify';
import { SESSION_HEADER } from '@corral/protocol/api/people';
import { CorralError } from '@corral/protocol/errors';
import type { SessionProof } from '../people/console-sessions.ts';

const SECRET = /^[\w-]{43}$/;

/** Whether the page came by https: a proxy in front of this host may do that, and then only the page's own origin says so. */
const isSecure = ({ protocol, headers }: FastifyRequest): boolean => protocol === 'https' || (headers.origin ?? '').startsWith('https:');

/** Browsers take a `__Host-` cookie only from https, for this host alone, and for all of its paths. */
const namesOf = ({ socket }: FastifyRequest) => ({ secure: `__Host-corral-${socket.localPort}`, plain: `corral-${socket.localPort}` });

function cookieIn({ headers }: FastifyRequest, wanted: string): string | undefined {
  const pairs = (headers.cookie ?? '').split(';').map((pair) => pair.trim().split('=', 2) as [string, string?]);
  return pairs.find(([name]) => name === wanted)?.[1];
}

/**
 * The proofs of a session that a request has. Over https only the cookie counts that no other host of the domain can have set.
 * @returns undefined if it has no cookie of a session; a request that lacks the header has an empty `page`
 */
export function proofOf(request: FastifyRequest): SessionProof | undefined {
  const { secure, plain } = namesOf(request);
  const cookie = cookieIn(request, secure) ?? (isSecure(request) ? undefined : cookieIn(request, plain));
  if (cookie === undefined || !SECRET.test(cookie)) return undefined;
  const page = request.headers[SESSION_HEADER];
  return { cookie, page: typeof page === 'string' && SECRET.test(page) ? page : '' };
}

/** The cookie of a browser that signs in at an issuer, apart from that of a session. */
const signInNames = ({ socket }: FastifyRequest) => ({
  secure: `__Host-corral-sign-in-${socket.localPort}`,
  plain: `corral-sign-in-${socket.localPort}`,
});
const LAX = 'Path=/; HttpOnly; SameSite=Lax';

/** The secret of a browser that signs in at an issuer. */
export function browserOf(request: FastifyRequest): string | undefined {
  const { secure, plain } = signInNames(request);
  const found = cookieIn(request, secure) ?? (isSecure(request) ? undefined : cookieIn(request, plain));
  return found !== undefined && SECRET.test(found) ? found : undefined;
}

/** @param isHttps whether people reach this host by https, by what its configuration says: a navigation has no Origin */
export function browserCookie(request: FastifyRequest, secret: string, life_ms: number, isHttps: boolean): string {
  const { secure, plain } = signInNames(request);
  const name = isHttps ? secure : plain;
  return `${name}=${secret}; ${LAX}; Max-Age=${Math.floor(life_ms / 1000)}${isHttps ? '; Secure' : ''}`;
}

export function noBrowserCookie(request: FastifyRequest): string[] {
  const { secure, plain } = signInNames(request);
  return [`${plain}=; ${LAX}; Max-Age=0`, `${secure}=; ${LAX}; Max-Age=0; Secure`];
}

const ATTRIBUTES = 'Path=/; HttpOnly; SameSite=Strict';

/** @param life_ms how long the browser keeps it */
export function cookieOf(request: FastifyRequest, secret: string, life_ms: number): string {
  const { secure, plain } = namesOf(request);
  const https = isSecure(request);
  return `${https ? secure : plain}=${secret}; ${ATTRIBUTES}; Max-Age=${Math.floor(life_ms / 1000)}${https ? '; Secure' : ''}`;
}

/** Takes the cookie of a session away, under each name that it may have been set with. */
export function noCookie(request: FastifyRequest): string[] {
  const { secure, plain } = namesOf(request);
  return [`${plain}=; ${ATTRIBUTES}; Max-Age=0`, `${secure}=; ${ATTRIBUTES}; Max-Age=0; Secure`];
}

/**
 * A browser adds the cookie to every request to this host, whichever page sent it. `SameSite=Strict` keeps other sites out; a page of another
 * port of the same machine is the same site, and is refused here.
 * @throws CORRAL_ORIGIN_REFUSED
 */
export function mustBeOwnPage({ method, headers }: FastifyRequest): void {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    throw new CorralError('CORRAL_ORIGIN_REFUSED', 'A page of another origin may not use a session of this Corral.');
  // An origin that is given was compared with the address of this host before.
  if (method !== 'GET' && method !== 'HEAD' && headers.origin === undefined)
    throw new CorralError('CORRAL_ORIGIN_REFUSED', 'A request that changes something in a session must say its Origin, as browsers do.');
}
