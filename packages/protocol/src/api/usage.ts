/** The API of usage and cost: what was spent by tenant, agent, person or tool, by the day or month, and each tenant's ceilings. */
import * as z from 'zod';
import type { Csv } from '../csv.ts';
import { Budget, CeilingsRequest } from '../model/manifest.ts';
import { inTenant, tenant, time_ms } from './parts.ts';
import { route } from './route.ts';
import { InTenant } from './schemas-agents.ts';
import { TenantTotals } from './totals.ts';

export const USAGE_BY = ['tenant', 'agent', 'person', 'model', 'tool', 'all'] as const;
export const USAGE_PER = ['all', 'day', 'month'] as const;
/** Rows on a page at most: the host writes a page in one turn. */
export const USAGE_ROWS = 1_000;

const amounts = {
  money_micros: z.number().describe('millionths of the tenant’s currency'),
  tokens: z.number(),
  calls: z.number().describe('only calls that charge something; all calls of accounts that limit calls'),
};
export const UsageRow = z
  .object({
    period: z.string().nullable().describe('a day or a month of UTC; null for the whole time'),
    tenant: tenant.nullable().describe('null where several tenants are summed'),
    name: z
      .string()
      .nullable()
      .describe('of the agent, person, model or tool; null where all are summed. The cost of inspectors has an empty name'),
    ...amounts,
  })
  .meta({ id: 'UsageRow' });
export const UsageReport = z
  .object({
    by: z.enum(USAGE_BY),
    per: z.enum(USAGE_PER),
    from: z.string().describe('the first day'),
    until: z.string().describe('the last day'),
    items: z.array(UsageRow).describe('the latest period first, in it the most money first'),
    total: z.object({ rows: z.int(), ...amounts }).describe('of all rows, on whichever page'),
    next: z.string().nullable().describe('cursor of the next page; null on the last'),
  })
  .meta({ id: 'UsageReport' });
export type UsageReport = z.infer<typeof UsageReport>;

const UsageQuery = z.strictObject({
  ...inTenant,
  agent: z.string().min(1).max(200).exactOptional().describe('only runs of this agent'),
  person: z.string().min(1).max(300).exactOptional().describe('only runs that this person is behind'),
  tool: z.string().min(1).max(200).exactOptional().describe('only calls of this tool; a model is `model:NAME`'),
  by: z.enum(USAGE_BY).default('agent').describe('what is summed: `model` are the tools that are models; `all`: everything together'),
  per: z.enum(USAGE_PER).default('all').describe('`all`: the whole time together'),
  from: z.iso.date().exactOptional().describe('the first day (UTC); left out: the beginning of the current month'),
  until: z.iso.date().exactOptional().describe('the last day; left out: today'),
  cursor: z.string().max(64).exactOptional().describe('`next` of the page before'),
  limit: z.coerce.number().int().min(1).max(USAGE_ROWS).exactOptional().describe(`left out: 100, or ${USAGE_ROWS} as CSV`),
  format: z
    .enum(['json', 'csv'])
    .exactOptional()
    .describe('left out: as the header `accept` says; the header `link` of CSV names the next page'),
});

/** The rows as a spreadsheet reads them. */
export const usageCsv = ({ by, items }: UsageReport): Csv => ({
  columns: ['period', 'tenant', ...(by === 'tenant' || by === 'all' ? [] : [by]), 'money', 'money_micros', 'tokens', 'calls'],
  rows: items.map((row) => [
    row.period,
    row.tenant,
    ...(by === 'tenant' || by === 'all' ? [] : [row.name]),
    row.money_micros / 1_000_000,
    row.money_micros,
    row.tokens,
    row.calls,
  ]),
});

const spent = z.object({ spent: z.number(), reserved: z.number(), soft: z.number().nullable(), hard: z.number().nullable() });
const inPeriod = z.object({ money_micros: spent, tokens: spent, calls: spent });
export const TenantView = TenantTotals.extend({
  configured: z.boolean().describe('false: the tenant was removed from the configuration, and its runs are still here'),
  quarantined: z.object({ by: z.string(), reason: z.string(), at: time_ms }).nullable(),
  oldest_queued: time_ms.nullable().describe('when the run was admitted that has waited longest for its first turn'),
  run_most: z
    .object({ ceilings: CeilingsRequest, budget: Budget })
    .describe('upper bounds of one run that the configuration states for this tenant, besides those of the host'),
  tool_limits: z
    .array(z.object({ tool: z.string(), concurrent: z.int().nullable(), per_minute: z.int().nullable() }))
    .describe('how often its agents may call tools'),
  spend: z.object({ day: inPeriod, month: inPeriod }).describe('today and this month (UTC), with the limits of the tenant’s own account'),
}).meta({ id: 'Tenant' });
export type TenantView = z.infer<typeof TenantView>;

export const USAGE_ROUTES = {
  usage: route({
    method: 'GET',
    path: '/v1/usage',
    tag: 'usage',
    summary: 'Sums what was spent by tenant, agent, person, model or tool, in a span of days, by the day or month; as JSON or CSV.',
    operation: 'spend.read',
    query: UsageQuery,
    status: 200,
    response: UsageReport,
    csv: usageCsv,
  }),
  listTenants: route({
    method: 'GET',
    path: '/v1/tenants',
    tag: 'usage',
    summary: 'Lists tenants: how much of each ceiling is used now, what they have spent and may spend, and what is queued.',
    operation: 'spend.read',
    query: InTenant,
    status: 200,
    response: z.object({ items: z.array(TenantView) }),
  }),
};
