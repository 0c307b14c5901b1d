/**
 * The addresses by which a browser goes to an issuer and comes back. Its secret is in a cookie of its own with `SameSite=Lax`, since the issuer's page
 * sends it back from another site, and a `Strict` cookie would not come along; it is worth nothing but for ending this sign-in. The session itself
 * begins afterwards by a request of the console's own page, so its cookie stays `Strict`.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SESSIONS } from '@corral/protocol/limits';
import type { Random } from '@corral/protocol/ports/machine';
import { RETURN_PATH, type SignInRefusal, type SignIns } from '../people/sign-in.ts';
import { browserOf, browserCookie, noBrowserCookie } from './cookie.ts';

export interface SignInRoutes {
  readonly signIns: SignIns;
  readonly random: Random;
  /** Whether people reach this host by https. */
  readonly isHttps: () => boolean;
  /** Slows down callers, by address. @throws CORRAL_RATE_LIMITED */
  readonly slowDown: (request: FastifyRequest) => void;
  /** Counts a sign-in that was refused. */
  readonly refused: (request: FastifyRequest, why: SignInRefusal) => void;
}

export function serveSignIn(app: FastifyInstance, { signIns, random, isHttps, slowDown, refused }: SignInRoutes): void {
  const hidden = { schema: { hide: true } };
  const goTo = (reply: FastifyReply, to: string) => reply.header('referrer-policy', 'no-referrer').redirect(to, 303);
  /** The reason is one of a few words in the fragment: the page says it, and nothing that an address holds is shown. */
  const refuse = (request: FastifyRequest, reply: FastifyReply, why: SignInRefusal) => {
    refused(request, why);
    return goTo(reply, `/console/#sign-in=${why}`);
  };
  app.get<{ Params: { which: string }; Querystring: { to?: unknown } }>('/sign-in/by/:which', hidden, async (request, reply) => {
    slowDown(request);
    const { which } = request.params;
    const { to } = request.query;
    const browser = Buffer.from(random(32)).toString('base64url');
    const url = await signIns.begin(/^\d{1,2}$/.test(which) ? Number(which) : -1, browser, typeof to === 'string' ? to : undefined);
    if (typeof url === 'string') return refuse(request, reply, url);
    reply.header('set-cookie', browserCookie(request, browser, SESSIONS.sign_in_ms.default, isHttps()));
    return goTo(reply, url.href);
  });
  app.get(RETURN_PATH, hidden, async (request, reply) => {
    slowDown(request);
    const browser = browserOf(request);
    const done = await signIns.end(browser, new URL(request.url, 'http://corral.internal').searchParams);
    if (typeof done !== 'string') return goTo(reply, `${done.to}#once=${done.code}`);
    reply.header('set-cookie', noBrowserCookie(request));
    return refuse(request, reply, done);
  });
}
