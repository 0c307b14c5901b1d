/** Queries over all runs and grants. Only plain data is touched here. */
import type { Grant, GrantState } from '@corral/protocol/model/grant';
import type { GrantId, RunId, TenantId } from '@corral/protocol/ids';
import type { WaitingOn, RunRecord } from '@corral/protocol/model/run';
import type { RunFilter, RunRoom } from '@corral/protocol/ports/store';
import { LIST_LIMIT } from '../core/store.ts';
import type { Sql } from './sql.ts';

/** See `RunRows.due`. */
export function due(sql: Sql, now: number, dead: readonly number[], { runs, of = {}, each }: RunRoom): RunId[] {
  const rows = sql.all<{ id: RunId; tenant: TenantId }>(
    `SELECT found.id, found.tenant FROM (SELECT id, n, tenant, row_number() OVER (PARTITION BY tenant ORDER BY n) AS turn FROM (
       SELECT DISTINCT runs.id, runs.n, tenant FROM inbox JOIN runs ON runs.n = inbox.run WHERE inbox.seq > 0 AND parked = 1 AND still = 0 AND control = 'none'
       UNION SELECT runs.id, runs.n, tenant FROM timers JOIN runs ON runs.n = timers.run WHERE due <= ?1 AND parked = 1 AND still = 0 AND control = 'none'
       UNION SELECT id, n, tenant FROM runs WHERE parked = 0 AND lifecycle <> 'ended' AND claimed_era IN (SELECT value FROM json_each(?5))
     )) AS found LEFT JOIN json_each(?3) AS room ON room.key = tenant WHERE turn <= coalesce(room.value, ?4) ORDER BY turn, n LIMIT ?2`,
    now,
    runs,
    JSON.stringify(of),
    each ?? runs,
    JSON.stringify(dead),
  );
  const left: Record<TenantId, number> = { ...of };
  for (const { tenant } of rows) left[tenant] = (left[tenant] ?? each ?? runs) - 1;
  // Runs that have not begun come last, and tenants take turns among them.
  const queued = sql.all<{ id: RunId }>(
    `SELECT found.id FROM (SELECT id, n, tenant, row_number() OVER (PARTITION BY tenant ORDER BY n) AS turn FROM
       (SELECT id, n, tenant FROM runs WHERE parked = 1 AND still = 0 AND lifecycle = 'queued' AND control = 'none'
          AND tenant NOT IN (SELECT key FROM json_each(?2) WHERE value <= 0) ORDER BY n LIMIT 10000)
     ) AS found LEFT JOIN json_each(?2) AS room ON room.key = tenant WHERE turn <= coalesce(room.value, ?3) ORDER BY turn, n LIMIT ?1`,
    Math.max(0, runs - rows.length),
    JSON.stringify(left),
    each ?? runs,
  );
  const began = new Set(rows.map(({ id }) => id));
  return [...began, ...queued.flatMap(({ id }) => (began.has(id) ? [] : [id]))];
}

export function mail(sql: Sql, node: number): { run: RunId; last: number }[] {
  return sql.all(
    `SELECT id AS run, max(seq) AS last FROM inbox JOIN runs ON runs.n = inbox.run
     WHERE seq > 0 AND claimed_era = ? AND parked = 0 AND lifecycle <> 'ended' GROUP BY id`,
    node,
  );
}

/** A limit that SQLite takes for none. */
const ALL = -1;

/** See `RunRows.held`. */
export function held(sql: Sql, nodes: readonly number[], after: RunId | undefined, limit = ALL): RunId[] {
  if (nodes.length === 0) return [];
  const rows = sql.all<{ id: RunId }>(
    `SELECT id FROM runs WHERE n > coalesce((SELECT n FROM runs WHERE id = ?), 0) AND parked = 0 AND lifecycle <> 'ended'
       AND claimed_era IN (SELECT value FROM json_each(?)) ORDER BY n LIMIT ?`,
    after ?? null,
    JSON.stringify(nodes),
    limit,
  );
  return rows.map(({ id }) => id);
}

/** The last entry of a parked run says what it waits for; a run without entries waits for nothing. */
export function parkedOn(sql: Sql, waiting: WaitingOn): RunId[] {
  const rows = sql.all<{ id: RunId }>(
    `SELECT id FROM runs WHERE parked = 1 AND lifecycle <> 'ended' AND erased_at IS NULL
       AND coalesce((SELECT waiting FROM journal WHERE run = runs.n ORDER BY seq DESC LIMIT 1), 'nothing') = ? ORDER BY n`,
    waiting,
  );
  return rows.map(({ id }) => id);
}

/** Over the index of runs that ask. */
export function parkedForPeople(sql: Sql): Partial<Record<WaitingOn, number>> {
  const rows = sql.all<{ waiting: WaitingOn; runs: number }>(
    `SELECT waiting, count(*) AS runs FROM (
       SELECT (SELECT waiting FROM journal WHERE run = runs.n ORDER BY seq DESC LIMIT 1) AS waiting
       FROM runs WHERE asking = 1 AND parked = 1 AND lifecycle <> 'ended' AND erased_at IS NULL)
     WHERE waiting IS NOT NULL GROUP BY waiting`,
  );
  return Object.fromEntries(rows.map(({ waiting, runs }) => [waiting, runs]));
}

export function nextDue(sql: Sql): number | undefined {
  return sql.get<{ due: number }>(
    "SELECT due FROM timers JOIN runs ON runs.n = timers.run WHERE parked = 1 AND still = 0 AND control = 'none' ORDER BY due LIMIT 1",
  )?.due;
}

export function orphans(sql: Sql): RunId[] {
  const rows = sql.all<{ id: RunId }>(
    `SELECT child.id FROM runs AS child JOIN runs AS parent ON parent.id = child.parent
     WHERE child.parent IS NOT NULL AND child.lifecycle <> 'ended' AND parent.lifecycle = 'ended'`,
  );
  return rows.map(({ id }) => id);
}

export function quarantined(sql: Sql, after: RunId | undefined, limit: number): readonly Pick<RunRecord, 'id' | 'tenant'>[] {
  return sql.all<{ id: RunId; tenant: TenantId }>(
    `SELECT id, tenant FROM runs WHERE parked = 1 AND control = 'quarantined' AND damage IS NULL AND lifecycle <> 'ended'
       AND n > coalesce((SELECT n FROM runs WHERE id = ?), 0) ORDER BY n LIMIT ?`,
    after ?? '',
    limit,
  );
}

export function descendants(sql: Sql, run: RunId): RunId[] {
  const rows = sql.all<{ id: RunId }>(
    `WITH RECURSIVE below (id) AS (
       SELECT id FROM runs WHERE parent = ? UNION SELECT runs.id FROM runs JOIN below ON runs.parent = below.id
     ) SELECT id FROM below JOIN runs USING (id) WHERE runs.lifecycle <> 'ended'`,
    run,
  );
  return rows.map(({ id }) => id);
}

export function isShared(sql: Sql, grant: GrantId, besides: readonly RunId[]): boolean {
  const row = sql.get(
    `WITH RECURSIVE below (id) AS (
       SELECT id FROM grants WHERE parent = ?1 AND revoked = 0
       UNION SELECT grants.id FROM grants JOIN below ON grants.parent = below.id WHERE grants.revoked = 0
     ) SELECT 1 AS found FROM below JOIN grants USING (id) JOIN runs ON runs.id = grants.holder
       WHERE runs.lifecycle <> 'ended' AND grants.holder <> (SELECT holder FROM grants WHERE id = ?1)
         AND (SELECT revoked FROM grants WHERE id = ?1) = 0
         AND grants.holder NOT IN (SELECT value FROM json_each(?2)) LIMIT 1`,
    grant,
    JSON.stringify(besides),
  );
  return row !== undefined;
}

/** The grants a run holds, each with its whole chain. */
export function grantsOf(sql: Sql, run: RunId): (Grant & GrantState)[] {
  const rows = sql.all<{
    data: string;
    used: number;
    revoked: number;
    sent_bytes: number | null;
    rested_at: number | null;
    revoked_by: string | null;
    revoked_why: string | null;
  }>(
    `WITH RECURSIVE chain (id) AS (
       SELECT id FROM grants WHERE holder = ?
       UNION SELECT parent FROM grants JOIN chain USING (id) WHERE parent IS NOT NULL
     ) SELECT data, used, revoked, sent_bytes, rested_at, revoked_by, revoked_why FROM grants JOIN chain USING (id)`,
    run,
  );
  return rows.map(({ data, used, revoked, sent_bytes, rested_at, revoked_by, revoked_why }) => ({
    ...(JSON.parse(data) as Grant),
    used,
    revoked: revoked !== 0,
    ...(revoked_by === null ? {} : { revoked_by, revoked_why: revoked_why ?? '' }),
    ...(sent_bytes === null ? {} : { sent_bytes }),
    ...(rested_at === null ? {} : { rested_at }),
  }));
}

export function ids(sql: Sql, filter: RunFilter): RunId[] {
  const { where, values } = matching(filter);
  const rows = sql.all<{ id: RunId }>(`SELECT id FROM runs WHERE ${where} ORDER BY n LIMIT ?`, ...values, filter.limit ?? LIST_LIMIT);
  return rows.map(({ id }) => id);
}

/** The run that holds a grant. */
export function holderOf(sql: Sql, grant: GrantId): RunId | undefined {
  return sql.get<{ holder: RunId }>('SELECT holder FROM grants WHERE id = ?', grant)?.holder;
}

/** Revokes a grant for a person; the first person is kept. Returns whether the grant exists. */
export function revoke(sql: Sql, grant: GrantId, by: string, reason: string, at: number): boolean {
  const row = sql.get(
    `UPDATE grants SET revoked = 1, revoked_by = coalesce(revoked_by, ?), revoked_why = coalesce(revoked_why, ?),
       revoked_at = coalesce(revoked_at, ?) WHERE id = ? RETURNING 1`,
    by,
    reason,
    at,
    grant,
  );
  return row !== undefined;
}

export function revoked(sql: Sql, among: readonly GrantId[]): GrantId[] {
  const rows = sql.all<{ id: GrantId }>(
    'SELECT grants.id FROM json_each(?) AS wanted CROSS JOIN grants ON grants.id = wanted.value WHERE revoked = 1',
    JSON.stringify(among),
  );
  return rows.map(({ id }) => id);
}

/** The condition of a filter, and its values. Erased runs are in no list. */
export function matching(filter: RunFilter): { readonly where: string; readonly values: readonly string[] } {
  const where = ['erased_at IS NULL'];
  const values: string[] = [];
  const equals = (condition: string, value: string | undefined) => {
    if (value === undefined) return;
    where.push(condition);
    values.push(value);
  };
  equals('tenant = ?', filter.tenant);
  equals('parent = ?', filter.parent);
  equals('runs.n > (SELECT n FROM runs WHERE id = ?)', filter.after);
  equals('id IN (SELECT value FROM json_each(?))', filter.among && JSON.stringify(filter.among));
  if (filter.asking === true) where.push('asking = 1');
  if (filter.parked !== undefined) where.push(`parked = ${Number(filter.parked)}`);
  if (filter.ended !== undefined) where.push(filter.ended ? "lifecycle = 'ended'" : "lifecycle <> 'ended'");
  return { where: where.join(' AND '), values };
}
