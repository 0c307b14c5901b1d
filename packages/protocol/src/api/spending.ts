/** The API of accounts above the run: what each tenant, agent and person has spent, and its bounds. */
import * as z from 'zod';
import { HOLDER_KINDS, SPEND_PERIODS } from '../spend.ts';
import { inTenant, tenant } from './parts.ts';
import { route } from './route.ts';

const amounts = z.object({
  money_micros: z.number().describe('millionths of the tenant’s currency'),
  tokens: z.number(),
  calls: z.number().describe('those that charge something; all, where a bound on calls asks for them'),
});
const bound = z
  .object({
    soft: z.number().nullable(),
    hard: z.number().nullable(),
    left: z.number().nullable().describe('of the hard bound; null without one'),
  })
  .exactOptional();

export const AccountSpend = z
  .object({
    tenant,
    kind: z.enum(HOLDER_KINDS),
    name: z.string().describe('of a tenant’s own account, the tenant'),
    period: z.string().describe('a day or a month of UTC: `2026-11-28`, `2026-11`'),
    spent: amounts,
    reserved: amounts.describe('for calls that have no answer yet'),
    bounds: z.object({ money_micros: bound, tokens: bound, calls: bound }).describe('as the configuration in force has them'),
  })
  .meta({ id: 'AccountSpend' });

const SpendQuery = z.strictObject({
  ...inTenant,
  agent: z.string().min(1).max(200).exactOptional().describe('the account of one agent alone'),
  person: z.string().min(1).max(300).exactOptional().describe('the account of one person alone'),
  by: z.enum(SPEND_PERIODS).default('month'),
  since: z.iso.date().exactOptional().describe('the first day; the month that goes on, where it is left out'),
});

export const SPENDING = {
  listSpend: route({
    method: 'GET',
    path: '/v1/spend',
    tag: 'runs',
    summary: 'Says what tenants, their agents and their people spent and have reserved, by day or month of UTC, and what they may.',
    operation: 'spend.read',
    query: SpendQuery,
    status: 200,
    response: z.object({ items: z.array(AccountSpend).describe('the latest period first') }),
  }),
};
