/**
 * Searches of the index of runs. Conditions and order are looked for in `runs_scan` alone, an index with all columns that either may name:
 * its rows are a fifth as long as those of the table, so that a search that nothing shortens still reads 200,000 of them within a list's time.
 */
import { CorralError } from '@corral/protocol/errors';
import type { RunOrder } from '@corral/protocol/model/run-lists';
import type { RunPage, RunPageWanted, RunSearch } from '@corral/protocol/ports/front-reads';
import type { RunRow } from '@corral/protocol/ports/front';
import { literal, type Reading, type Value } from './database.ts';
import { holding } from './tools.ts';

/** The order of a list as SQL. A run that has not ended comes before all that have. */
const ORDERS: Readonly<Record<RunOrder, string>> = {
  created: 'n',
  ended: 'coalesce(ended_at, 0)',
  cpu: 'cpu_ms',
  calls: 'calls',
  tokens: 'tokens',
  money: 'money_micros',
};
const LIFECYCLES = {
  queued: '(ended_as IS NULL AND began = 0)',
  active: '(ended_as IS NULL AND began = 1)',
  ended: 'ended_as IS NOT NULL',
};

class Where {
  readonly #parts: string[] = [];
  readonly values: Value[] = [];

  also(sql: string, ...values: Value[]): void {
    this.#parts.push(sql);
    this.values.push(...values);
  }
  equals(column: string, value: Value | undefined): void {
    if (value !== undefined) this.also(`${column} = ?`, value);
  }
  oneOf(column: string, values: readonly string[] | undefined): void {
    if (values === undefined) return;
    if (values.length === 1) this.equals(column, values[0]);
    else this.also(`${column} IN (SELECT value FROM json_each(?))`, JSON.stringify(values));
  }
  anyOf(parts: readonly string[], ...values: Value[]): void {
    this.also(parts.length === 0 ? 'false' : `(${parts.join(' OR ')})`, ...values);
  }
  toString(): string {
    return this.#parts.length === 0 ? '' : `WHERE ${this.#parts.join(' AND ')}`;
  }
}

function conditionsOf(by: RunSearch): Where {
  const where = new Where();
  where.equals('tenant', by.tenant);
  where.oneOf('agent', by.agent);
  where.oneOf('version', by.version);
  where.equals('parent', by.parent);
  where.oneOf('principal', by.principal);
  where.equals('config', by.config);
  if (by.lifecycle !== undefined) where.anyOf([...new Set(by.lifecycle)].sort().map((one) => LIFECYCLES[one]));
  if (by.ended !== undefined) where.also(by.ended ? 'ended_as IS NOT NULL' : 'ended_as IS NULL');
  else if (isLiveAlone(by)) where.also('ended_as IS NULL');
  if (by.ended_as !== undefined)
    where.also(
      `EXISTS (SELECT 1 FROM json_each(?) WHERE ended_as LIKE value ESCAPE '\\')`,
      JSON.stringify(by.ended_as.map((text) => `${literal(text)}%`)),
    );
  where.oneOf('control', by.control);
  if (by.stopped_by !== undefined) where.also('ended_as IS NULL AND stopped_by IS NOT NULL');
  where.oneOf('stopped_by', by.stopped_by);
  if (by.admitted_by !== undefined) where.also('created_at <= ?', by.admitted_by);
  if (by.until !== undefined) where.also('created_at < ?', by.until);
  if (by.created_from !== undefined) where.also('created_at >= ?', by.created_from);
  if (by.since !== undefined) where.also('(ended_at IS NULL OR ended_at >= ?)', by.since);
  if (by.ended_from !== undefined) where.also('ended_at >= ?', by.ended_from);
  if (by.refused_from !== undefined) where.also('refused_at IS NOT NULL AND refused_at >= ?', by.refused_from);
  if (by.withheld_from !== undefined) where.also('withheld_at IS NOT NULL AND withheld_at >= ?', by.withheld_from);
  if (by.ended_until !== undefined) where.also('ended_at < ?', by.ended_until);
  if (by.holds !== undefined) where.also(...holding(by.holds, by.tenant));
  if (by.among !== undefined) where.also('id IN (SELECT value FROM json_each(?))', JSON.stringify(by.among));
  if (by.q !== undefined) {
    const like = `%${literal(by.q)}%`;
    const columns = ['id', 'agent', 'principal', 'ended_as'];
    where.anyOf(
      columns.map((column) => `${column} LIKE ? ESCAPE '\\'`),
      ...columns.map(() => like),
    );
  }
  return where;
}

/** Only a run that has not ended holds anything. */
const isLiveAlone = ({ ended, lifecycle, holds }: RunSearch): boolean =>
  ended === false || (ended === undefined && (holds !== undefined || (lifecycle !== undefined && !lifecycle.includes('ended'))));

/**
 * Where to look. Runs that have not ended are few; the newest of a tenant or of an agent stand together; an id, a parent, a version and a
 * configuration are not in `runs_scan`. All else is.
 */
function sourceOf({ sort = 'created', ...by }: Pick<RunPageWanted, 'sort'> & RunSearch): string {
  if (by.stopped_by !== undefined) return 'runs INDEXED BY runs_stopped';
  if (by.withheld_from !== undefined) return 'runs INDEXED BY runs_withheld';
  if (by.refused_from !== undefined) return 'runs INDEXED BY runs_refused';
  if (by.among !== undefined || by.parent !== undefined || by.version !== undefined || by.config !== undefined) return 'runs';
  if (isLiveAlone(by)) return 'runs INDEXED BY runs_live';
  const given = Object.entries(by).filter(([, value]) => value !== undefined);
  if (sort !== 'created' || given.length !== 1) return 'runs INDEXED BY runs_scan';
  if (by.tenant !== undefined) return 'runs INDEXED BY runs_of_tenant';
  return by.agent?.length === 1 ? 'runs INDEXED BY runs_of_agent' : 'runs INDEXED BY runs_scan';
}

export function searchRuns(db: Reading, { sort = 'created', ascending = false, cursor, limit, total, ...by }: RunPageWanted): RunPage {
  const where = conditionsOf(by);
  const from = sourceOf({ sort, ...by });
  const counted = total === true ? count(db, from, where) : undefined;
  const order = ORDERS[sort];
  const place = placeOf(cursor, sort);
  if (place !== undefined) {
    const sign = ascending ? '>' : '<';
    if (sort === 'created') where.also(`n ${sign} ?`, place.n);
    else where.also(`(${order}, n) ${sign} (?, ?)`, place.value, place.n);
  }
  const direction = ascending ? 'ASC' : 'DESC';
  const by_order = sort === 'created' ? `n ${direction}` : `${order} ${direction}, n ${direction}`;
  const rows = db.all<RunRow>(
    `SELECT * FROM runs WHERE n IN (SELECT n FROM ${from} ${where.toString()} ORDER BY ${by_order} LIMIT ?) ORDER BY ${by_order}`,
    ...where.values,
    limit + 1,
  );
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    rows: page,
    next: rows.length > limit && last !== undefined ? cursorAfter(last, sort) : null,
    ...(counted === undefined ? {} : { total: counted }),
  };
}

const count = (db: Reading, from: string, where: Where): number =>
  db.get<{ count: number }>(`SELECT count(*) AS count FROM ${from} ${where.toString()}`, ...where.values)?.count ?? 0;

const AMOUNTS: Readonly<Record<RunOrder, (row: RunRow) => number>> = {
  created: ({ n }) => n,
  ended: ({ ended_at }) => ended_at ?? 0,
  cpu: ({ cpu_ms }) => cpu_ms,
  calls: ({ calls }) => calls,
  tokens: ({ tokens }) => tokens,
  money: ({ money_micros }) => money_micros,
};

const cursorAfter = (row: RunRow, sort: RunOrder): string =>
  Buffer.from(sort === 'created' ? `n${row.n}` : `${sort} ${AMOUNTS[sort](row)} ${row.n}`).toString('base64url');

/** @throws CORRAL_REQUEST_INVALID */
function placeOf(cursor: string | undefined, sort: RunOrder): { readonly value: number; readonly n: number } | undefined {
  if (cursor === undefined) return undefined;
  const text = Buffer.from(cursor, 'base64url').toString('latin1');
  const [, order = '', value = ''] = /^(?:n|(\w+) (\S+) )\d{1,15}$/.exec(text) ?? [];
  const n = Number(/\d{1,15}$/.exec(text)?.[0] ?? Number.NaN);
  const isOfThis = sort === 'created' ? /^n\d+$/.test(text) : order === sort && Number.isFinite(Number(value));
  if (!isOfThis || !Number.isSafeInteger(n))
    throw new CorralError('CORRAL_REQUEST_INVALID', 'The cursor is not one that a list with this order gave.');
  return { value: Number(value), n };
}
