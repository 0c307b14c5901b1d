/** Finds out who sends a request, by a token or by a session of the console, and counts and slows down callers who are not let in. */
import type { FastifyRequest } from 'fastify';
import type { Principal } from '@corral/protocol/api/roles';
import { ROUTES, type Route } from '@corral/protocol/api/routes';
import { CorralError } from '@corral/protocol/errors';
import { Access } from '../people/access.ts';
import type { Authenticator, Channel } from '../people/authenticate.ts';
import type { ConsoleSessions } from '../people/console-sessions.ts';
import type { Rate } from '../people/rate.ts';
import type { ServerContext } from './context.ts';
import { mustBeOwnPage, proofOf } from './cookie.ts';
import type { Prove } from './routes/approvals.ts';
import type { LinkParts } from './routes/links.ts';

export interface CallerParts {
  readonly door: ServerContext;
  readonly channel: Channel;
  readonly authenticator: Authenticator;
  readonly consoleSessions: ConsoleSessions;
  readonly rate: Rate;
}

/** Slows down callers that guess tokens, by address. */
const GUESSES = { rate_per_s: 1, burst: 20 };
/** Sign-ins at issuers, by address: that of a proxy may be everybody's. */
const SIGN_INS = { rate_per_s: 20, burst: 200 };

/** Finds out who calls, by a token or by the cookie of a session. @throws what `guarded` throws, and CORRAL_ORIGIN_REFUSED */
export async function admitted(options: CallerParts, route: Route, request: FastifyRequest): Promise<Access> {
  const { settings, index } = options.door;
  return new Access(
    await guarded(options, route, request, () => callerOf(options, request, true)),
    () => settings.tenants(),
    (tenant) => index.has('tenant', tenant, undefined),
  );
}

/** @param uses whether the request counts as use of the session */
export async function callerOf(
  { authenticator, channel, consoleSessions }: CallerParts,
  request: FastifyRequest,
  uses: boolean,
): Promise<Principal> {
  const { authorization } = request.headers;
  const proof = channel.kind === 'network' && authorization === undefined ? proofOf(request) : undefined;
  if (proof === undefined) return authenticator.authenticate(channel, authorization);
  mustBeOwnPage(request);
  const principal = consoleSessions.principal(proof, uses);
  if (principal === undefined) throw new SessionOver();
  return principal;
}

/** The bucket of a principal, for its rate. */
export const bucketOf = ({ tenant, id }: Principal): string => `${tenant} ${id}`;

/** An open page goes on asking after its session has ended, which is not an attempt to get in. */
class SessionOver extends CorralError {
  constructor() {
    super('CORRAL_UNAUTHENTICATED', 'The session has ended; sign in again.');
  }
}

/** Records that somebody was not let in. @param code of the error */
export function countFailure({ refusals }: ServerContext, request: FastifyRequest, route: string, code: string): void {
  const address = request.socket.remoteAddress ?? 'socket';
  refusals.count({ operation: 'fail-login', by: `address:${address}`, roles: [], tenant: undefined, route, code });
}

/** Slows down sign-ins at issuers, by address: each keeps something here for a while. @throws CORRAL_RATE_LIMITED */
export const slowSignIn = ({ door, rate }: CallerParts, request: FastifyRequest): void =>
  rate.take(`sign-in:${request.socket.remoteAddress ?? 'socket'}`, SIGN_INS, door.clock.monotonic());

/**
 * A caller who is not let in is counted and slowed down, by address.
 * @throws what `identify` throws, and CORRAL_RATE_LIMITED
 */
export async function guarded<T>(
  { door, rate }: CallerParts,
  route: Route,
  request: FastifyRequest,
  identify: () => Promise<T>,
): Promise<T> {
  const { clock, settings } = door;
  const now = clock.monotonic();
  try {
    return await identify();
  } catch (error) {
    const address = request.socket.remoteAddress ?? 'socket';
    if (error instanceof SessionOver) {
      rate.take(`session:${address}`, settings.inForce().config.door, now);
      throw error;
    }
    countFailure(door, request, `${route.method} ${route.path}`, error instanceof CorralError ? error.code : 'CORRAL_INTERNAL');
    rate.take(`guess:${address}`, GUESSES, now);
    throw error;
  }
}

/**
 * Checks a token that a caller shows once more for one request. Over the socket without a token, the operating system says with each request who
 * calls.
 * @param identify finds the principal of a token, and slows down callers who guess
 */
export function proving(channel: Channel, identify: (request: FastifyRequest, token: string) => Promise<Principal>): Prove {
  return async (request, { principal }, proof) => {
    if (channel.kind === 'socket' && request.headers.authorization === undefined) return true;
    if (proof === undefined) return false;
    const shown = await identify(request, proof).catch((error: unknown) => {
      if (error instanceof CorralError && error.code === 'CORRAL_UNAUTHENTICATED') throw notTheirs(principal.id);
      throw error;
    });
    if (shown.id !== principal.id || shown.tenant !== principal.tenant) throw notTheirs(principal.id);
    return true;
  };
}

/** Not as a caller who is not signed in: their session goes on. */
const notTheirs = (id: string) => new CorralError('CORRAL_PROOF_NEEDED', `That is not the token of ${id}.`);

/** Finds who uses a link, if anybody is signed in; a refused link counts as an attempt to get in. */
export function linking(options: CallerParts): Omit<LinkParts, 'prove'> {
  const route = ROUTES.followLink;
  return {
    async caller(request) {
      const { authorization } = request.headers;
      if (options.channel.kind === 'network' && authorization === undefined && proofOf(request) === undefined) return undefined;
      return guarded(options, route, request, () => callerOf(options, request, true));
    },
    guard: (request, work) => guarded(options, route, request, work),
  };
}
