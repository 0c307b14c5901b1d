/** Secrets: the accounts behind them, whose they are, and when each was used last. Values are in no answer. */
import * as z from 'zod';
import { dryRun, Reason, time_ms } from './parts.ts';
import { route } from './route.ts';

const names = z.array(z.string());
export const SecretView = z
  .object({
    secret: z.string().describe('its name, by which tools ask for it'),
    account: z.string().describe('the name and where the value is: `crm:env:CRM_SALES`'),
    for: z
      .object({ tenants: names, agents: names, roles: names, people: names })
      .partial()
      .nullable()
      .describe('whose it is; of each list that is there, one has to fit. null: the tools of the configuration read it for every caller'),
    is_there: z.boolean().describe('whether the variable or file has a value now'),
    expires_at: time_ms.nullable(),
    used_at: time_ms.nullable(),
    used_by: z
      .object({ tenant: z.string(), agent: z.string(), person: z.string() })
      .nullable()
      .describe('the last caller; null: nobody, or the host itself'),
    revoked: z.object({ by: z.string(), at: time_ms, reason: z.string() }).nullable(),
    in_force: z.boolean().describe('whether it is given out now'),
  })
  .meta({ id: 'Secret' });
const act = { account: z.string().min(1).max(5000), reason: Reason };
const SecretAct = z.strictObject(act).meta({ id: 'SecretAct' });
const SecretRevocation = z.strictObject({ ...act, ...dryRun }).meta({ id: 'SecretRevocation' });

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
};
