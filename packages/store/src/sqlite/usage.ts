/** Costs of calls by tenant, agent, person, tool and day. Sums by one of them are read from the accounts, sums by several from the finest rows. */
import type { Spend, SpendPeriod, Usage, UsageKey, UsageRow, UsageWanted } from '@corral/protocol/model/spend';
import type { Sql } from './sql.ts';

export function postUsage(sql: Sql, { tenant, agent, person, tool }: Readonly<Record<UsageKey, string>>, day: string, spent: Spend): void {
  const key = [tenant, agent, person, tool] as const;
  sql.run('INSERT INTO spenders (tenant, agent, person, tool) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING', ...key);
  sql.run(
    `INSERT INTO usage SELECT n, ?, ?, ?, ? FROM spenders WHERE tenant = ? AND agent = ? AND person = ? AND tool = ?
     ON CONFLICT DO UPDATE SET money = money + excluded.money, tokens = tokens + excluded.tokens, calls = calls + excluded.calls`,
    day,
    spent.money_micros,
    spent.tokens,
    spent.calls,
    ...key,
  );
}

type Values = (string | number)[];

const PERIODS: Readonly<Record<SpendPeriod, string>> = { day: 'day', month: 'substr(day, 1, 7)' };
const IS_MODEL = "GLOB 'model:*'";

/** The same agent or person of two tenants are two; the same tool of two tenants is one. */
const isOfTenant = (by: UsageKey | undefined) => by === 'tenant' || by === 'agent' || by === 'person';

export function usageOf(sql: Sql, wanted: UsageWanted): Usage {
  const { by, per, where, limit, offset } = wanted;
  const keys = new Set<UsageKey>((['agent', 'person', 'tool'] as const).filter((key) => where[key] !== undefined));
  if (by !== undefined && by !== 'tenant') keys.add(by);
  if (wanted.models === true) keys.add('tool');
  const [from, values] = keys.size <= 1 ? ofAccounts(wanted, [...keys][0]) : ofSpenders(wanted);
  const one = where.tenant !== undefined || isOfTenant(by);
  const groups = [...(per === undefined ? [] : ['period']), ...(one ? ['tenant'] : []), ...(by === undefined ? [] : ['name'])];
  const grouped = `SELECT ${per === undefined ? 'NULL' : 'period'} AS period, ${one ? 'tenant' : 'NULL'} AS tenant, ${by === undefined ? 'NULL' : 'name'} AS name,
    sum(money) AS money_micros, sum(tokens) AS tokens, sum(calls) AS calls FROM (${from}) ${groups.length === 0 ? 'HAVING count(*) > 0' : `GROUP BY ${groups.join(', ')}`}`;
  const rows = sql.all<
    UsageRow & { readonly all_rows: number; readonly all_money: number; readonly all_tokens: number; readonly all_calls: number }
  >(
    `SELECT *, count(*) OVER () AS all_rows, sum(money_micros) OVER () AS all_money, sum(tokens) OVER () AS all_tokens, sum(calls) OVER () AS all_calls
     FROM (${grouped}) ORDER BY period DESC, money_micros DESC, tokens DESC, calls DESC, tenant, name LIMIT ? OFFSET ?`,
    ...values,
    limit,
    offset,
  );
  const [first] = rows;
  // A page beyond the last one has no row that could say the sums.
  if (first === undefined && offset > 0) return { rows: [], total: usageOf(sql, { ...wanted, limit: 1, offset: 0 }).total };
  return {
    rows: rows.map(({ period, tenant, name, money_micros, tokens, calls }) => ({ period, tenant, name, money_micros, tokens, calls })),
    total: {
      rows: first?.all_rows ?? 0,
      money_micros: first?.all_money ?? 0,
      tokens: first?.all_tokens ?? 0,
      calls: first?.all_calls ?? 0,
    },
  };
}

/** Rows of one kind of account. @param key undefined: of tenants */
function ofAccounts({ where, models, per, from, until }: UsageWanted, key: UsageKey | undefined): [string, Values] {
  const kind = key ?? 'tenant';
  const name = key === undefined || key === 'tenant' ? undefined : where[key];
  const values: Values = [from, until, kind];
  const also = (value: string | undefined) => {
    if (value !== undefined) values.push(value);
    return value !== undefined;
  };
  const sql = `SELECT ${PERIODS[per ?? 'day']} AS period, tenant, name, money_spent AS money, tokens_spent AS tokens, calls_spent AS calls
    FROM accounts WHERE day >= ? AND day <= ? AND kind = ? ${also(where.tenant) ? 'AND tenant = ?' : ''} ${also(name) ? 'AND name = ?' : ''}
    ${models === true ? `AND name ${IS_MODEL}` : ''} AND (money_spent <> 0 OR tokens_spent <> 0 OR calls_spent <> 0)`;
  return [sql, values];
}

function ofSpenders({ where, models, by, per, from, until }: UsageWanted): [string, Values] {
  const given = Object.entries(where).filter((one): one is [UsageKey, string] => one[1] !== undefined);
  const conditions = [...given.map(([key]) => `${key} = ?`), ...(models === true ? [`tool ${IS_MODEL}`] : [])];
  const among = conditions.length === 0 ? '' : `spender IN (SELECT n FROM spenders WHERE ${conditions.join(' AND ')}) AND`;
  // Summed by spender first, in the order of the key, so that names are looked up once for each.
  const inner =
    per === undefined
      ? `SELECT spender, NULL AS period, sum(money) AS money, sum(tokens) AS tokens, sum(calls) AS calls FROM usage WHERE ${among} day >= ? AND day <= ? GROUP BY spender`
      : `SELECT spender, ${PERIODS[per]} AS period, money, tokens, calls FROM usage WHERE ${among} day >= ? AND day <= ?`;
  const sql = `SELECT period, tenant, ${by ?? 'NULL'} AS name, money, tokens, calls FROM (${inner}) JOIN spenders ON n = spender
    WHERE money <> 0 OR tokens <> 0 OR calls <> 0`;
  return [sql, [...given.map(([, value]) => value), from, until]];
}
