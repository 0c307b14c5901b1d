/** Signing in and out at the console. */
import type { FastifyRequest } from 'fastify';
import type { Principal } from '@corral/protocol/api/roles';
import { SESSIONS } from '@corral/protocol/limits';
import type { ServerContext } from '../context.ts';
import type { ConsoleSessions } from '../../people/console-sessions.ts';
import type { SignIns } from '../../people/sign-in.ts';
import { cookieOf, mustBeOwnPage, noCookie, proofOf } from '../cookie.ts';
import type { Handlers } from './handler.ts';
import { selfView } from './tokens.ts';

/** @param identify finds the principal of a token, and slows down callers who guess @throws CORRAL_UNAUTHENTICATED */
export function sessionRoutes(
  { people, clock, scene }: ServerContext,
  sessions: ConsoleSessions,
  signIns: Pick<SignIns, 'offers'>,
  identify: (request: FastifyRequest, token: string) => Promise<Principal>,
): Handlers<'signIn' | 'showSession' | 'signOut'> {
  return {
    async signIn({ body }, { request, reply }) {
      const principal = await identify(request, body.token);
      // The browser forgets the cookie that it had, so nobody could end that session any more.
      const before = proofOf(request);
      if (before !== undefined) sessions.end(before);
      const { cookie, page, expires_at } = sessions.begin(principal);
      reply.header('set-cookie', cookieOf(request, cookie, expires_at - clock.now()));
      return { ...selfView(people, principal), key: page, expires_at, idle_ms: SESSIONS.session_idle_ms.default };
    },
    // A page asks this before anybody has signed in there, so it must not count as an attempt to get in.
    async showSession(_, { request }) {
      const sign_in = signIns.offers.map((name, i) => ({ name, at: `/sign-in/by/${i}` }));
      const here = { ...(scene === undefined ? {} : { scene: true as const }), ...(sign_in.length === 0 ? {} : { sign_in }) };
      const proof = proofOf(request);
      if (proof === undefined) return { who: null, ...here };
      mustBeOwnPage(request);
      const principal = sessions.principal(proof, true);
      return { who: principal === undefined ? null : selfView(people, principal), ...here };
    },
    async signOut(_, { request, reply }) {
      const proof = proofOf(request);
      reply.header('set-cookie', noCookie(request));
      return { ended: proof !== undefined && sessions.end(proof) };
    },
  };
}
