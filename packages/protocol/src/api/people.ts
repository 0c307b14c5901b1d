/** Schemas of tokens, and of a caller's identity. */
import * as z from 'zod';
import { PERSON, PERSON_HINT, PRINCIPAL_CHARS } from '../ids.ts';
import { Reason, tenant, time_ms } from './parts.ts';
import { Role } from './roles.ts';

export const TokenView = z
  .object({
    token: z.string().describe('its id; the secret is shown once, when the token is made'),
    name: z.string(),
    tenant: z.string(),
    roles: z.array(Role),
    created_at: time_ms,
    created_by: z.string(),
    expires_at: time_ms.nullable(),
    revoked_at: time_ms.nullable(),
    used_at: time_ms.nullable(),
    person: z.string().nullable().describe('the person it was made for, if its name does not say that'),
  })
  .meta({ id: 'Token' });
export const TokenRequest = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9][a-z0-9._@-]{0,63}$/, 'a short name in lower case'),
    tenant: z
      .union([tenant, z.literal('*')])
      .exactOptional()
      .describe('`*`: the whole host'),
    roles: z.array(Role).min(1).max(Role.options.length),
    person: z
      .string()
      .min(1)
      .max(PRINCIPAL_CHARS)
      .regex(PERSON, PERSON_HINT)
      .exactOptional()
      .describe(
        'the person it is for, such as `oidc:ISSUER/SUBJECT`: all tokens of a person count as one. Only over the socket of the host',
      ),
    expires_in_ms: z.int().min(1000).exactOptional(),
    reason: Reason.exactOptional(),
  })
  .meta({ id: 'TokenRequest' });
export const TokenMade = TokenView.extend({ secret: z.string() }).meta({ id: 'TokenMade' });
export const TokenList = z.object({ items: z.array(TokenView) });
export const TokenPath = z.strictObject({ token: z.string().max(40) });

export const WhoAmI = z
  .object({
    principal: z.string(),
    tenant: z.string(),
    roles: z.array(Role),
    token: z.string().exactOptional().describe('id of the token'),
    person: z.string().exactOptional().describe('the person it counts as, where people are counted'),
    made_by: z.string().exactOptional().describe('who made it'),
  })
  .meta({ id: 'Principal' });

export const SignIn = z
  .strictObject({
    token: z
      .string()
      .min(1)
      .max(8192)
      .describe(
        'the secret of a token, a JSON web token of a configured issuer, or a code that a browser was given: by a link that `corral demo` printed, or after a sign-in at an issuer',
      ),
  })
  .meta({ id: 'SignIn' });
/** A page sends its key here with each request. */
export const SESSION_HEADER = 'x-corral-session';
export const SignedIn = WhoAmI.extend({
  key: z
    .string()
    .describe(
      `of the session: each request of the page has it in the header ${SESSION_HEADER} beside the cookie, which alone is worth nothing, since a browser sends cookies to every port of a host`,
    ),
  expires_at: time_ms.describe('when the session ends at the latest'),
  idle_ms: z.number().describe('after so long without a request it ends earlier'),
}).meta({ id: 'Session' });
export const SessionNow = z.object({
  who: WhoAmI.nullable().describe('null: nobody is signed in'),
  scene: z.literal(true).exactOptional().describe('the host runs the scene of `corral demo`'),
  sign_in: z
    .array(z.object({ name: z.string(), at: z.string().describe('address to which a browser goes to sign in there') }))
    .exactOptional()
    .describe('issuers by which people may sign in at the console'),
});
export const SignedOut = z.object({ ended: z.boolean().describe('false: the request came with a token and no session') });
