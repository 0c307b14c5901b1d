/** Spending by day or month, with the limits of the configuration in force. */
import { boundsOf, type SpendBounds } from '@corral/supervisor';
import { CorralError } from '@corral/protocol/errors';
import { dayOf, monthOf, NO_SPEND, SPEND_NAMES, type AccountDay, type Spend, type SpendPeriod } from '@corral/protocol/model/spend';
import { boundOf } from '@corral/protocol/model/spend-bounds';
import type { ServerContext } from '../context.ts';
import type { Handlers } from './handler.ts';

export function spendingRoutes({ host, clock }: ServerContext): Handlers<'listSpend'> {
  return {
    async listSpend({ query }, { access }) {
      const { agent, person, by } = query;
      if (agent !== undefined && person !== undefined)
        throw new CorralError('CORRAL_USAGE', 'Ask for the account of an agent or of a person, not of both.');
      const tenant = access.some('spend.read', query.tenant);
      const today = dayOf(clock.now());
      const name = agent ?? person;
      const rows = await host.spend({
        from: query.since ?? (by === 'day' ? today : `${monthOf(today)}-01`),
        ...(tenant === undefined ? {} : { tenant }),
        ...(name === undefined ? {} : { kind: agent === undefined ? ('person' as const) : ('agent' as const), name }),
      });
      return {
        items: summed(rows, by).map((row) => ({
          ...row,
          tenant: row.tenant as never,
          bounds: boundsIn(host.spendBounds(row.tenant), row, by),
        })),
      };
    },
  };
}

const sum = (a: Spend, b: Spend): Spend => ({
  money_micros: a.money_micros + b.money_micros,
  tokens: a.tokens + b.tokens,
  calls: a.calls + b.calls,
});

/** Sums days, or the months they belong to, in the store's order. */
function summed(rows: readonly AccountDay[], by: SpendPeriod) {
  const all = new Map<string, Omit<AccountDay, 'day'> & { readonly period: string }>();
  for (const { day, spent, reserved, ...holder } of rows) {
    const period = by === 'day' ? day : monthOf(day);
    const key = JSON.stringify([period, holder.tenant, holder.kind, holder.name]);
    const before = all.get(key) ?? { spent: NO_SPEND, reserved: NO_SPEND };
    all.set(key, { ...holder, period, spent: sum(before.spent, spent), reserved: sum(before.reserved, reserved) });
  }
  return [...all.values()];
}

function boundsIn(bounds: SpendBounds | undefined, { kind, name, spent, reserved }: Omit<AccountDay, 'day'>, by: SpendPeriod) {
  const own = boundsOf(bounds, { kind, name });
  return Object.fromEntries(
    SPEND_NAMES.flatMap((amount) => {
      const bound = boundOf(own, by, amount);
      if (bound === undefined) return [];
      const { soft = null, hard = null } = bound;
      return [[amount, { soft, hard, left: hard === null ? null : Math.max(0, hard - spent[amount] - reserved[amount]) }]];
    }),
  );
}
