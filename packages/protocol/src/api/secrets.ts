/**
 * Credentials: the accounts behind secrets, the logins at MCP servers, whose they are, and when each was used last. Values are in no answer.
 */
import * as z from 'zod';
import { SourceName } from '../model/manifest.ts';
import { dryRun, Reason, time_ms } from './parts.ts';
import { route } from './route.ts';

const names = z.array(z.string());
export const SecretView = z
  .object({
    secret: z.string().describe('its name, by which tools ask for it; of a login, the name of the MCP server'),
    account: z.string().describe('the name and where the value is: `crm:env:CRM_SALES`; `crm:login:host` for a login'),
    for: z
      .object({ tenants: names, agents: names, roles: names, people: names })
      .partial()
      .nullable()
      .describe('whose it is; of each list that is there, one has to fit. null: the tools of the configuration read it for every caller'),
    is_there: z.boolean().describe('whether the variable or file has a value now; of a login, whether somebody is signed in'),
    expires_at: time_ms.nullable().describe('of a login: when its token expires, which the host renews where `renews` says so'),
    used_at: time_ms.nullable(),
    used_by: z
      .object({ tenant: z.string(), agent: z.string(), person: z.string() })
      .nullable()
      .describe('the last caller; null: nobody, or the host itself'),
    revoked: z.object({ by: z.string(), at: time_ms, reason: z.string() }).nullable(),
    in_force: z.boolean().describe('whether it is given out now'),
    login: z
      .object({
        issuer: z.string().nullable().describe('the authorization server'),
        by: z.string().nullable().describe('who signed in'),
        at: time_ms.nullable().describe('when the token that is in use was got'),
        renews: z.boolean().describe('whether the host can renew it by itself'),
        why: z.string().nullable().describe('why somebody has to sign in; null: nobody has to'),
      })
      .nullable()
      .describe('null: it is a secret'),
  })
  .meta({ id: 'Secret' });
const act = { account: z.string().min(1).max(5000), reason: Reason };
const SecretAct = z.strictObject(act).meta({ id: 'SecretAct' });
const SecretRevocation = z.strictObject({ ...act, ...dryRun }).meta({ id: 'SecretRevocation' });
const account = {
  server: SourceName.describe('name of the MCP server in the configuration'),
  account: z.string().min(1).max(100).exactOptional().describe('which of its accounts; left out: the only one'),
};
const LoginBegin = z
  .strictObject({
    ...account,
    redirect: z
      .string()
      .max(100)
      .regex(/^http:\/\/127\.0\.0\.1:\d{1,5}\/[a-z]{1,20}$/, 'an address such as http://127.0.0.1:49152/callback')
      .describe('where the browser is sent with the answer: a port at which the caller listens on its own machine (RFC 8252)'),
    reason: Reason.exactOptional(),
  })
  .meta({ id: 'LoginBegin' });
const LoginFlow = z
  .object({
    login: z.string().describe('names this login until it is answered'),
    account: z.string(),
    address: z.string().describe('of the authorization server, for a browser'),
    until: time_ms,
  })
  .meta({ id: 'LoginFlow' });
const LoginAnswer = z
  .strictObject({
    redirect: z.string().min(1).max(16_384).describe('the whole address to which the browser was sent'),
    reason: Reason.exactOptional(),
  })
  .meta({ id: 'LoginAnswer' });
const Logout = z.strictObject({ ...account, reason: Reason, ...dryRun }).meta({ id: 'Logout' });

export const SECRET_ROUTES = {
  listSecrets: route({
    method: 'GET',
    path: '/v1/secrets',
    tag: 'people',
    summary: 'Lists secrets: each account, whose it is, when it was used last, when it expires, and whether it was revoked.',
    operation: 'secret.read',
    status: 200,
    response: z.object({ items: z.array(SecretView) }),
  }),
  revokeSecret: route({
    method: 'POST',
    path: '/v1/secrets/revocations',
    tag: 'people',
    summary: 'Revokes an account: it is given to nobody from the next use on, also after restarts and under another configuration.',
    operation: 'secret.write',
    act: 'revoke-secret',
    body: SecretRevocation,
    status: 200,
    response: SecretView,
  }),
  restoreSecret: route({
    method: 'POST',
    path: '/v1/secrets/restorations',
    tag: 'people',
    summary: 'Takes the revocation of an account back, as after its value was rotated.',
    operation: 'secret.write',
    act: 'restore-secret',
    body: SecretAct,
    status: 200,
    response: SecretView,
  }),
  beginLogin: route({
    method: 'POST',
    path: '/v1/logins',
    tag: 'people',
    summary: 'Begins to sign the host in at an MCP server, by the authorization code of its authorization server (OAuth 2.1 with PKCE).',
    operation: 'login.write',
    act: 'begin-login',
    body: LoginBegin,
    status: 200,
    response: LoginFlow,
  }),
  finishLogin: route({
    method: 'POST',
    path: '/v1/logins/:login',
    tag: 'people',
    summary: 'Gives the answer of the authorization server to the host, which exchanges it for tokens, and keeps these sealed.',
    operation: 'login.write',
    act: 'login',
    params: z.strictObject({ login: z.string().min(1).max(100) }),
    body: LoginAnswer,
    status: 200,
    response: z.object({
      credential: SecretView,
      tools: z.int().nullable().describe('tools that the server declared; null: it could not be asked yet'),
    }),
  }),
  logout: route({
    method: 'POST',
    path: '/v1/logouts',
    tag: 'people',
    summary: 'Forgets the tokens of a login, and revokes them at the authorization server where it offers that (RFC 7009).',
    operation: 'login.write',
    act: 'logout',
    body: Logout,
    status: 200,
    response: z.object({
      credential: SecretView,
      revoked: z
        .enum(['yes', 'not-offered', 'failed', 'nothing'])
        .describe('what its authorization server did; `nothing`: nobody was signed in'),
    }),
  }),
};
