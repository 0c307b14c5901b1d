/**
 * The accounts above runs, one row for each account and day: changed by the commits that reserve and settle, read at a start and
 * by people.
 */
import {
  NO_SPEND,
  type AccountDay,
  type Holder,
  type HolderKind,
  type Spend,
  type SpendChange,
  type SpendFilter,
  type SpendName,
} from '@corral/protocol/model/spend';
import { postUsage } from './usage.ts';
import type { Sql } from './sql.ts';

interface Row {
  readonly tenant: string;
  readonly kind: HolderKind;
  readonly name: string;
  readonly day: string;
  readonly money_spent: number;
  readonly money_reserved: number;
  readonly tokens_spent: number;
  readonly tokens_reserved: number;
  readonly calls_spent: number;
  readonly calls_reserved: number;
}

const POST = `INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
  money_spent = money_spent + excluded.money_spent, money_reserved = money_reserved + excluded.money_reserved,
  tokens_spent = tokens_spent + excluded.tokens_spent, tokens_reserved = tokens_reserved + excluded.tokens_reserved,
  calls_spent = calls_spent + excluded.calls_spent, calls_reserved = calls_reserved + excluded.calls_reserved`;

export function postSpend(sql: Sql, { holders, days }: SpendChange): void {
  const post = (tenant: string, kind: HolderKind | 'tool', name: string, day: string, spent: Spend, reserved: Spend) =>
    sql.run(
      POST,
      tenant,
      kind,
      name,
      day,
      spent.money_micros,
      reserved.money_micros,
      spent.tokens,
      reserved.tokens,
      spent.calls,
      reserved.calls,
    );
  for (const { tenant, kind, name } of holders) for (const { day, spent, reserved } of days) post(tenant, kind, name, day, spent, reserved);
  const tenant = holders[0]?.tenant;
  const nameOf = (wanted: HolderKind) => holders.find(({ kind }) => kind === wanted)?.name ?? '';
  if (tenant === undefined) return;
  for (const { day, tools } of days)
    for (const { tool, spent } of tools) {
      // A tool has no limits, so what is reserved for it is not counted.
      post(tenant, 'tool', tool, day, spent, NO_SPEND);
      postUsage(sql, { tenant, agent: nameOf('agent'), person: nameOf('person'), tool }, day, spent);
    }
}

export function spendOf(sql: Sql, { tenant, kind, name, from }: SpendFilter): AccountDay[] {
  return sql
    .all<Row>(
      `SELECT * FROM accounts WHERE day >= ?1 AND kind <> 'tool' AND (?2 IS NULL OR tenant = ?2) AND (?3 IS NULL OR kind = ?3) AND (?4 IS NULL OR name = ?4)
       ORDER BY day DESC, tenant, kind DESC, name`,
      from,
      tenant ?? null,
      kind ?? null,
      name ?? null,
    )
    .map((row) => ({
      tenant: row.tenant,
      kind: row.kind,
      name: row.name,
      day: row.day,
      spent: { money_micros: row.money_spent, tokens: row.tokens_spent, calls: row.calls_spent },
      reserved: { money_micros: row.money_reserved, tokens: row.tokens_reserved, calls: row.calls_reserved },
    }));
}

const COLUMN: Readonly<Record<SpendName, string>> = { money_micros: 'money', tokens: 'tokens', calls: 'calls' };

/** The days are listed, since the key of the rows begins with the day. */
export function committedOf(sql: Sql, { tenant, kind, name }: Holder, days: readonly string[], amount: SpendName): number {
  const of = COLUMN[amount];
  const row = sql.get<{ sum: number | null }>(
    `SELECT sum(${of}_spent + ${of}_reserved) AS sum FROM accounts
     WHERE day IN (SELECT value FROM json_each(?)) AND tenant = ? AND kind = ? AND name = ?`,
    JSON.stringify(days),
    tenant,
    kind,
    name,
  );
  return row?.sum ?? 0;
}

export function forgetSpend(sql: Sql, before: string): number {
  sql.run('DELETE FROM usage WHERE day < ?', before);
  sql.run('DELETE FROM spenders WHERE n NOT IN (SELECT spender FROM usage)');
  return sql.run(`DELETE FROM accounts WHERE day < ?`, before);
}
