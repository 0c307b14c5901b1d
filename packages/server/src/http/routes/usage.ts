/** Usage and cost by tenant, agent, person, model or tool, and the ceilings of each tenant with what is used of them. */
import type { TenantView } from '@corral/protocol/api/usage';
import { USAGE_ROWS } from '@corral/protocol/api/usage';
import { cursorOf, rowOf } from '@corral/protocol/api/cursor';
import { CorralError } from '@corral/protocol/errors';
import type { TenantId } from '@corral/protocol/ids';
import { dayOf, monthOf, SPEND_NAMES, type AccountDay, type SpendPeriod } from '@corral/protocol/model/spend';
import { boundOf } from '@corral/protocol/model/spend-bounds';
import type { ServerContext } from '../context.ts';
import { wantsCsv } from '../csv.ts';
import type { Handlers } from './handler.ts';
import { totalsOf } from './totals.ts';

/** Rows of a page of JSON. */
const ROWS = 100;

export function usageRoutes(door: ServerContext): Handlers<'usage' | 'listTenants'> {
  const { host, clock, lists } = door;
  return {
    async usage({ query }, { access, request, reply }) {
      const { agent, person, tool, by, per, cursor } = query;
      const tenant = access.some('spend.read', query.tenant);
      const today = dayOf(clock.now());
      const { from = `${monthOf(today)}-01`, until = today } = query;
      if (from > until) throw new CorralError('CORRAL_REQUEST_INVALID', `\`from\` (${from}) is after \`until\` (${until}).`);
      const limit = query.limit ?? (wantsCsv(request) ? USAGE_ROWS : ROWS);
      const offset = rowOf(cursor) ?? 0;
      const { rows, total } = await lists.take(access.principal.tenant, () =>
        host.usage({
          where: { tenant, agent, person, tool },
          ...(by === 'all' ? {} : { by: by === 'model' ? 'tool' : by }),
          ...(by === 'model' ? { models: true } : {}),
          ...(per === 'all' ? {} : { per }),
          from,
          until,
          limit,
          offset,
        }),
      );
      const next = offset + rows.length < total.rows && rows.length > 0 ? cursorOf(offset + rows.length) : null;
      if (next !== null) reply.header('link', `<${nextAddress(request.url, next)}>; rel="next"`);
      return { by, per, from, until, items: rows as never, total, next };
    },

    async listTenants({ query }, { access }) {
      const only = access.some('spend.read', query.tenant);
      const today = dayOf(clock.now());
      const [queued, days] = await Promise.all([
        lists.take(access.principal.tenant, () => door.reads.oldestQueued(only)),
        host.spend({ kind: 'tenant', from: `${monthOf(today)}-01`, ...(only === undefined ? {} : { tenant: only }) }),
      ]);
      const oldest = new Map(queued.map((one) => [one.tenant, one.created_at]));
      const own = Map.groupBy(days, ({ tenant }) => tenant);
      return {
        items: totalsOf(door, only).map((totals) => ({
          ...totals,
          ...viewOf(door, totals.tenant, own.get(totals.tenant) ?? [], today),
          oldest_queued: oldest.get(totals.tenant) ?? null,
        })),
      };
    },
  };
}

/** The same request for the next page. */
function nextAddress(url: string, cursor: string): string {
  const at = new URL(url, 'http://host');
  at.searchParams.set('cursor', cursor);
  return `${at.pathname}${at.search}`;
}

type Added = Pick<TenantView, 'configured' | 'quarantined' | 'run_most' | 'tool_limits' | 'spend'>;

/** @param days of this month, of the tenant's own account */
function viewOf({ host, settings }: ServerContext, tenant: string, days: readonly AccountDay[], today: string): Added {
  const configured = settings.inForce().config.tenants[tenant as TenantId];
  const stop = host.quarantines().find(({ kind, name }) => kind === 'tenant' && name === tenant);
  const spend = (period: SpendPeriod) => {
    const own = days.filter(({ day }) => (period === 'month' ? monthOf(day) === monthOf(today) : day === today));
    const bounds = host.spendBounds(tenant);
    return Object.fromEntries(
      SPEND_NAMES.map((name) => {
        const { soft = null, hard = null } = boundOf(bounds, period, name) ?? {};
        const sum = (of: 'spent' | 'reserved') => own.reduce((all, one) => all + one[of][name], 0);
        return [name, { spent: sum('spent'), reserved: sum('reserved'), soft, hard }];
      }),
    ) as TenantView['spend'][SpendPeriod];
  };
  return {
    configured: configured !== undefined,
    quarantined: stop === undefined ? null : { by: stop.by, reason: stop.reason, at: stop.at },
    run_most: { ceilings: configured?.ceilings ?? {}, budget: configured?.budget ?? {} },
    tool_limits: Object.entries(configured?.tool_limits ?? {}).map(([tool, { concurrent = null, per_minute = null }]) => ({
      tool,
      concurrent,
      per_minute,
    })),
    spend: { day: spend('day'), month: spend('month') },
  };
}
