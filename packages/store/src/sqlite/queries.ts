/** Tables of agents and hosts, and queries over all runs. Only plain data is touched here. */
import { hash } from 'node:crypto';
import type { Grant, GrantState } from '@corral/protocol/model/grant';
import type { Digest, GrantId, RunId, TenantId } from '@corral/protocol/ids';
import type { AgentVersion } from '@corral/protocol/model/manifest';
import type { ReplayPayload } from '@corral/protocol/wire/frame';
import { MACHINE } from '@corral/protocol/limits';
import type { Entry, WaitingOn } from '@corral/protocol/model/run';
import type { Quarantine } from '@corral/protocol/model/quarantine';
import type { CommitResult, GrantUse, ReplayPage, RunFilter, RunRoom } from '@corral/protocol/ports/store';
import { CorralError } from '@corral/protocol/errors';
import { withheld } from '@corral/protocol/wire/withheld';
import type { Sql } from './sql.ts';

export const LIST_LIMIT = 1000;

/**
 * Runs that nobody holds and that have something to do, and runs of dead nodes. Tenants take turns.
 * @param now by which timers are due. Milliseconds since 1970
 */
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

/** Runs that these nodes hold. */
export function held(sql: Sql, nodes: readonly number[], after: RunId | undefined, limit: number): RunId[] {
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

export function quarantined(sql: Sql, after: RunId | undefined, limit: number): RunId[] {
  const rows = sql.all<{ id: RunId }>(
    `SELECT id FROM runs WHERE parked = 1 AND control = 'quarantined' AND damage IS NULL AND lifecycle <> 'ended'
       AND n > coalesce((SELECT n FROM runs WHERE id = ?), 0) ORDER BY n LIMIT ?`,
    after ?? '',
    limit,
  );
  return rows.map(({ id }) => id);
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

export function isShared(sql: Sql, grant: GrantId): boolean {
  const row = sql.get(
    `WITH RECURSIVE below (id) AS (
       SELECT id FROM grants WHERE parent = ?1 UNION SELECT grants.id FROM grants JOIN below ON grants.parent = below.id
     ) SELECT 1 AS found FROM below JOIN grants USING (id) JOIN runs ON runs.id = grants.holder
       WHERE runs.lifecycle <> 'ended' AND grants.holder <> (SELECT holder FROM grants WHERE id = ?1) LIMIT 1`,
    grant,
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

export function putGrant(sql: Sql, grant: Grant): void {
  const text = 'INSERT INTO grants (id, parent, holder, data, used, revoked) VALUES (?, ?, ?, ?, 0, 0)';
  sql.run(text, grant.id, grant.parent ?? null, grant.holder, JSON.stringify(grant));
}

/** A grant with its uses counted, not stored yet. */
export type CountedGrant = NonNullable<CommitResult['counted']>[number];

/**
 * Computes the counts of grants with these uses; nothing is stored yet.
 * @throws CORRAL_SPENT_ELSEWHERE if one of them has not that many left
 */
export function counted(sql: Sql, uses: readonly GrantUse[]): CountedGrant[] {
  const found: CountedGrant[] = [];
  for (const { grant: id, times, bytes, at } of uses) {
    const row = sql.get<{ data: string; used: number; revoked: number; sent_bytes: number | null; rested_at: number | null }>(
      'SELECT data, used, revoked, sent_bytes, rested_at FROM grants WHERE id = ?',
      id,
    );
    if (row === undefined) continue;
    const grant = JSON.parse(row.data) as Grant;
    const used = row.used + times;
    const sent_bytes = (row.sent_bytes ?? 0) + bytes;
    const most = grant.uses !== undefined && used > grant.uses ? `${grant.uses} uses` : undefined;
    const over = most ?? (grant.bytes !== undefined && sent_bytes > grant.bytes ? `${grant.bytes} bytes` : undefined);
    if (over !== undefined)
      throw new CorralError('CORRAL_SPENT_ELSEWHERE', `The ${over} of the grant ${id} do not suffice: others have used it meanwhile.`);
    found.push({
      id,
      used,
      revoked: row.revoked !== 0,
      ...(grant.bytes === undefined ? {} : { sent_bytes }),
      // As each use would have moved it (see Grants.use of the policy); a rate is kept by those who decide.
      ...(grant.rate === undefined ? {} : { rested_at: Math.max(at, row.rested_at ?? 0) + (times * 60_000) / grant.rate.per_minute }),
    });
  }
  return found;
}

export function putCounted(sql: Sql, { id, used, sent_bytes, rested_at }: CountedGrant): void {
  sql.run('UPDATE grants SET used = ?, sent_bytes = ?, rested_at = ? WHERE id = ?', used, sent_bytes ?? null, rested_at ?? null, id);
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

export function deploy(
  sql: Sql,
  bundle: { digest: Digest; source: string; source_map: string | undefined },
  versions: readonly AgentVersion[],
): void {
  const { source, digest: name, source_map = null } = bundle;
  const proof = hash('sha256', source, 'buffer');
  const put = `INSERT INTO bundles (digest, source, source_hash, source_map) VALUES (?, ?, ?, ?)
    ON CONFLICT (digest) DO UPDATE SET source_map = coalesce(source_map, excluded.source_map)`;
  sql.run(put, name, source, proof, source_map);
  for (const { version, bundle: digest, manifest } of versions) {
    sql.run(
      'INSERT OR IGNORE INTO versions (version, bundle, name, manifest) VALUES (?, ?, ?, ?)',
      version,
      digest,
      manifest.name,
      JSON.stringify(manifest),
    );
  }
}

export function versionOf(sql: Sql, version: Digest): AgentVersion | undefined {
  const row = sql.get<{ bundle: Digest; manifest: string }>('SELECT bundle, manifest FROM versions WHERE version = ?', version);
  return row && { version, bundle: row.bundle, manifest: JSON.parse(row.manifest) as AgentVersion['manifest'] };
}

/** All agents of a bundle. */
export function agentsOf(sql: Sql, bundle: Digest): AgentVersion[] {
  const rows = sql.all<{ version: Digest; manifest: string }>('SELECT version, manifest FROM versions WHERE bundle = ?', bundle);
  return rows.map(({ version, manifest }) => ({ version, bundle, manifest: JSON.parse(manifest) as AgentVersion['manifest'] }));
}

export function bundleOf(sql: Sql, digest: Digest): string | undefined {
  return sql.get<{ source: string }>('SELECT source FROM bundles WHERE digest = ?', digest)?.source;
}

/**
 * As much of a journal as a cell replays at a time. Entries without a crank were written by the host and are skipped: the isolate
 * does not see them.
 */
export function replayPage(entries: readonly Entry[], after: number): ReplayPage {
  const cranks: ReplayPayload['cranks'][number][] = [];
  let last = after;
  let bytes = 0;
  let cpu = 0;
  for (const { seq, delivery, effects, cpu_us } of entries) {
    last = seq;
    if (delivery === undefined || effects === undefined) continue;
    cranks.push({ crank: seq, delivery: withheld(delivery), effects, cpu_us });
    bytes += delivery.length + effects.length;
    cpu += cpu_us;
    if (bytes >= MACHINE.replay_bytes.default || cpu >= MACHINE.replay_cpu_ms.default * 1000) break;
  }
  const more = entries.length === MACHINE.replay_entries.default || last !== (entries.at(-1)?.seq ?? after);
  return { text: JSON.stringify({ cranks } satisfies ReplayPayload), last, cranks: cranks.length, cpu_us: cpu, more };
}

export function seen(sql: Sql, limit: number): { fact: string; value: number }[] {
  return sql.all<{ fact: string; value: number }>('SELECT fact, value FROM seen ORDER BY rowid DESC LIMIT ?', limit).reverse();
}

export function quarantines(sql: Sql): Quarantine[] {
  return sql
    .all<Omit<Quarantine, 'tenant'> & { readonly tenant: string | null }>(
      'SELECT kind, tenant, name, by, reason, at FROM quarantines WHERE lifted_at IS NULL ORDER BY at',
    )
    .map(({ tenant, ...one }) => ({ ...one, ...(tenant === null ? {} : { tenant }) }));
}
