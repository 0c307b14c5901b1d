/** The API of accounts above runs: what each tenant, agent and person has spent, and its limits. */
import * as z from 'zod';
import { HOLDER_KINDS, SPEND_PERIODS } from '../model/spend.ts';
import { inTenant, tenant } from './parts.ts';
import { route } from './route.ts';

const amounts = z.object({
  money_micros: z.number().describe('millionths of the tenant’s currency'),
  tokens: z.number(),
  calls: z.number().describe('only calls that charge something; all calls if the account limits calls'),
});
const bound = z
  .object({
    soft: z.number().nullable(),
    hard: z.number().nullable(),
    left: z.number().nullable().describe('of the hard limit; null without one'),
  })
  .exactOptional();

export const AccountSpend = z
  .object({
    tenant,
    kind: z.enum(HOLDER_KINDS),
    name: z.string().describe('for a tenant’s own account, the tenant'),
    period: z.string().describe('a day or a month of UTC: `2026-11-28`, `2026-11`'),
    spent: amounts,
    reserved: amounts.describe('for calls that have no answer yet'),
    bounds: z.object({ money_micros: bound, tokens: bound, calls: bound }).describe('limits of the configuration in force'),
  })
  .meta({ id: 'AccountSpend' });

const SpendQuery = z.strictObject({
  ...inTenant,
  agent: z.string().min(1).max(200).exactOptional().describe('the account of one agent alone'),
  person: z.string().min(1).max(300).exactOptional().describe('the account of one person alone'),
  by: z.enum(SPEND_PERIODS).default('month'),
  since: z.iso.date().exactOptional().describe('the first day; left out: the beginning of the current month'),
});

export const SPENDING = {
  listSpend: route({
    method: 'GET',
    path: '/v1/spend',
    tag: 'runs',
    summary: 'Lists what tenants, their agents and their people spent and have reserved, by day or month of UTC, and their limits.',
    operation: 'spend.read',
    query: SpendQuery,
    status: 200,
    response: z.object({ items: z.array(AccountSpend).describe('the latest period first') }),
  }),
};
