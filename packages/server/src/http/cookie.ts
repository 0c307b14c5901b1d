/**
 * The cookie of a console's session. A cookie is sent to a name, whatever the port, so its name has the port: two hosts on one machine do not
 * sign each other's people out.
 */
import type { FastifyRequest } from 'fastify';
import { CorralError } from '@corral/protocol/errors';

const SECRET = /^[\w-]{43}$/;

/** Whether the page came by https: a proxy in front of this host may do that, and then only the page's own origin says so. */
const isSecure = ({ protocol, headers }: FastifyRequest): boolean => protocol === 'https' || (headers.origin ?? '').startsWith('https:');

/** Browsers take a `__Host-` cookie only from https, for this host alone, and for all of its paths. */
const namesOf = ({ socket }: FastifyRequest) => ({ secure: `__Host-corral-${socket.localPort}`, plain: `corral-${socket.localPort}` });

/** The secret in the cookie of a request. */
export function secretOf(request: FastifyRequest): string | undefined {
  const { secure, plain } = namesOf(request);
  const pairs = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim().split('=', 2) as [string, string?]);
  const found = pairs.find(([name]) => name === secure) ?? pairs.find(([name]) => name === plain);
  return found?.[1] !== undefined && SECRET.test(found[1]) ? found[1] : undefined;
}

/** @param secret left out: the cookie is taken away @param life_ms how long the browser keeps it */
export function cookieOf(request: FastifyRequest, secret = '', life_ms = 0): string {
  const { secure, plain } = namesOf(request);
  const https = isSecure(request);
  const life = `Max-Age=${Math.floor(life_ms / 1000)}`;
  return `${https ? secure : plain}=${secret}; Path=/; HttpOnly; SameSite=Strict; ${life}${https ? '; Secure' : ''}`;
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
