/**
 * Erasing a run on request, and pruning journals whose retention has passed. Both keep the hashes, so that the chain still shows
 * how many entries there were, when, and that none was changed.
 */
import { CorralError } from '@corral/protocol/errors';
import type { Grant } from '@corral/protocol/model/grant';
import { MACHINE } from '@corral/protocol/limits';
import type { RunId } from '@corral/protocol/ids';
import type { Erased, Freed } from '@corral/protocol/ports/evidence';
import { countUnreferenced, deleteUnreferenced, referredBy, releaseBlobs } from './blobs.ts';
import { forgotten, FORGOTTEN_BYTES } from '../core/seal.ts';
import type { Sql } from './sql.ts';

/** How long the journals of ended runs are kept, by tenant. Milliseconds. A tenant that is not named keeps them for ever. */
type Retention = Readonly<Record<string, number>>;

export interface Collected extends Freed {
  readonly more: boolean;
}

/** Entries that one transaction deletes at most. */
const STEP = 1000;

/** Which garbage to collect. */
export interface Wanted {
  readonly retention_ms: Retention;
  /** Only of this tenant. */
  readonly tenant?: string | undefined;
}

/**
 * Counts the data that erasing a run would delete.
 * @throws CORRAL_RUN_UNKNOWN, CORRAL_RUN_STATE
 */
export function erasable(sql: Sql, run: RunId): Erased {
  const { n } = mayErase(sql, run);
  const { entries } = sql.get<{ entries: number }>(
    'SELECT count(*) AS entries FROM journal WHERE run = ? AND length(body) > ?',
    n,
    FORGOTTEN_BYTES,
  ) ?? { entries: 0 };
  const released = { sql: 'run = ?', values: [n] };
  return { run, entries, ...countUnreferenced(sql, [referredBy(released)], released) };
}

/** @throws CORRAL_RUN_UNKNOWN, CORRAL_RUN_STATE */
function mayErase(sql: Sql, run: RunId): { readonly n: number; readonly erased_at: number | null } {
  const row = sql.get<{ n: number; lifecycle: string; erased_at: number | null }>(
    'SELECT n, lifecycle, erased_at FROM runs WHERE id = ?',
    run,
  );
  if (row === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${run}.`);
  if (row.lifecycle !== 'ended')
    throw new CorralError('CORRAL_RUN_STATE', `The run ${run} is ${row.lifecycle}; it can be erased once it has ended.`);
  const heir = sql.get<{ holder: RunId }>(
    `WITH RECURSIVE below (id) AS (
       SELECT id FROM grants WHERE holder = ?1 UNION SELECT grants.id FROM grants JOIN below ON grants.parent = below.id
     ) SELECT holder FROM below JOIN grants USING (id) JOIN runs ON runs.id = holder WHERE lifecycle <> 'ended' LIMIT 1`,
    run,
  );
  if (heir !== undefined && row.erased_at === null)
    throw new CorralError(
      'CORRAL_RUN_STATE',
      `The run ${run} passed on capabilities that ${heir.holder} holds; it can be erased once that run has ended.`,
    );
  return row;
}

/**
 * Destroys a run's key and the plain data about it. Its sealed entries stay until garbage is collected; nothing can open them any
 * more. Erasing an erased run changes nothing.
 * @throws CORRAL_RUN_UNKNOWN, CORRAL_RUN_STATE
 */
export function eraseRun(sql: Sql, run: RunId, at: number): Erased {
  const { n, erased_at } = mayErase(sql, run);
  const erased = erasable(sql, run);
  if (erased_at !== null) return erased;
  sql.run("UPDATE records SET key = NULL, record = x'' WHERE n = ?", n);
  sql.run('UPDATE runs SET outcome = NULL, erased_at = ?, pruned_at = NULL WHERE n = ?', at, n);
  sql.run('DELETE FROM inbox WHERE run = ?', n);
  sql.run('DELETE FROM timers WHERE run = ?', n);
  sql.run('DELETE FROM absences WHERE run = ?', n);
  releaseBlobs(sql, n, 0);
  // The predicates of a grant can be data about people, so they are deleted. Without them the grant would allow more, so it is
  // revoked.
  for (const { id, data } of sql.all<{ id: string; data: string }>('SELECT id, data FROM grants WHERE holder = ?', run)) {
    const bare: Grant = { ...(JSON.parse(data) as Grant), where: {} };
    sql.run('UPDATE grants SET data = ?, revoked = 1 WHERE id = ?', JSON.stringify(bare), id);
  }
  return erased;
}

/** Erased runs whose entries still take up space; the parameter is a tenant, or null for all. */
const ERASED = 'SELECT n FROM runs WHERE erased_at IS NOT NULL AND pruned_at IS NULL AND (?1 IS NULL OR tenant = ?1)';
/**
 * Runs of a tenant that ended before a time, and whose journals are not needed any more. The journal of the last run of a service
 * instance is needed unless that run was killed: the next run of the instance starts from its checkpoint, however late.
 */
const EXPIRED = `SELECT n FROM runs WHERE lifecycle = 'ended' AND pruned_at IS NULL AND tenant = ? AND ended_at <= ?
  AND (outcome_kind = 'killed' OR NOT EXISTS (SELECT 1 FROM instances WHERE run = runs.id))`;
/** Runs that go on, and the last runs of service instances, whose checkpoint the next run of the instance starts from. */
const SEGMENTS = [
  `SELECT n, checkpoint FROM runs JOIN journal ON journal.run = n AND journal.seq = checkpoint
   WHERE lifecycle <> 'ended' AND checkpoint > pruned_seq AND tenant = ? AND journal.at <= ?`,
  `SELECT n, checkpoint FROM instances JOIN runs ON runs.id = instances.run
   WHERE live = 0 AND lifecycle = 'ended' AND pruned_at IS NULL AND checkpoint > pruned_seq AND tenant = ? AND ended_at <= ?`,
] as const;

const retained = ({ retention_ms, tenant }: Wanted): readonly (readonly [string, number])[] =>
  Object.entries(retention_ms).filter(([name]) => tenant === undefined || name === tenant);

/** Deletes the contents of up to STEP entries: of erased runs first, then of runs whose retention has passed. */
export function collect(sql: Sql, now: number, wanted: Wanted): Collected {
  const n =
    sql.get<{ n: number }>(`${ERASED} LIMIT 1`, wanted.tenant ?? null)?.n ??
    first(wanted, (tenant, kept_ms) => sql.get<{ n: number }>(`${EXPIRED} LIMIT 1`, tenant, now - kept_ms))?.n;
  if (n === undefined) return collectSegment(sql, now, wanted);
  const { entries, bytes } = forget(sql, n, Number.MAX_SAFE_INTEGER);
  if (entries === STEP) return { runs: 0, entries, blobs: 0, bytes, more: true };
  const released = releaseBlobs(sql, n, 1);
  sql.run('UPDATE runs SET pruned_at = ? WHERE n = ?', now, n);
  return { runs: 1, entries, blobs: released.blobs, bytes: bytes + released.bytes, more: true };
}

/** Deletes what a running run does not need any more: entries before its last checkpoint whose retention has passed. */
function collectSegment(sql: Sql, now: number, wanted: Wanted): Collected {
  const row = first(wanted, (tenant, kept_ms) =>
    firstOf(SEGMENTS, (segments) => sql.get<{ n: number; checkpoint: number }>(`${segments} LIMIT 1`, tenant, now - kept_ms)),
  );
  if (row === undefined) return collectUnnamed(sql, now, wanted);
  const { n, checkpoint } = row;
  const { entries, bytes } = forget(sql, n, checkpoint);
  if (entries === STEP) return { runs: 0, entries, blobs: 0, bytes, more: true };
  const released = releaseBlobs(sql, n, 1, checkpoint);
  sql.run('UPDATE runs SET pruned_seq = ? WHERE n = ?', checkpoint, n);
  return { runs: 0, entries, blobs: released.blobs, bytes: bytes + released.bytes, more: true };
}

/** Payloads that were stored for a write that did not take effect; a younger one may still be named. By tenant, or null for all. */
const UNNAMED = `SELECT b, length(data) AS size FROM unnamed JOIN blobs ON b = blob
  WHERE since <= ? AND (?2 IS NULL OR tenant = ?2) AND NOT EXISTS (SELECT 1 FROM refs WHERE refs.blob = b)
  AND NOT EXISTS (SELECT 1 FROM parts WHERE part = b)`;

/** Before this, a payload without a name was stored too long ago to get one. */
const graceBegan = (now: number): number => now - MACHINE.payload_grace_ms.default;

function collectUnnamed(sql: Sql, now: number, { tenant }: Wanted): Collected {
  const found = sql.all<{ b: number; size: number }>(`${UNNAMED} LIMIT ${STEP}`, graceBegan(now), tenant ?? null);
  for (const { b } of found) sql.run('DELETE FROM unnamed WHERE blob = ?', b);
  const { blobs, bytes } = deleteUnreferenced(
    sql,
    found.map(({ b }) => b),
  );
  return { runs: 0, entries: 0, blobs, bytes, more: found.length === STEP };
}

function first<T>(wanted: Wanted, find: (tenant: string, kept_ms: number) => T | undefined): T | undefined {
  return firstOf(retained(wanted), ([tenant, kept_ms]) => find(tenant, kept_ms));
}

function firstOf<A, T>(all: readonly A[], find: (one: A) => T | undefined): T | undefined {
  for (const one of all) {
    const found = find(one);
    if (found !== undefined) return found;
  }
  return undefined;
}

const WHOLE = Number.MAX_SAFE_INTEGER;

/** Counts the data that `collect` would delete in total. Only reads: its list is a temporary table of its connection. */
export function collectable(sql: Sql, now: number, wanted: Wanted): Freed {
  sql.db.exec('CREATE TEMP TABLE IF NOT EXISTS garbage (n INTEGER PRIMARY KEY, below INTEGER NOT NULL); DELETE FROM garbage');
  const note = (select: string, ...values: (string | number | null)[]) =>
    sql.run(`INSERT OR IGNORE INTO garbage (n, below) ${select}`, ...values);
  const whole = (select: string) => `SELECT n, ${WHOLE} FROM (${select})`;
  note(whole(ERASED), wanted.tenant ?? null);
  for (const [tenant, kept_ms] of retained(wanted)) {
    note(whole(EXPIRED), tenant, now - kept_ms);
    for (const segments of SEGMENTS) note(`SELECT n, checkpoint FROM (${segments})`, tenant, now - kept_ms);
  }
  const [runs, journal] = [
    sql.get<{ n: number }>('SELECT count(*) AS n FROM garbage WHERE below = ?', WHOLE),
    sql.get<{ n: number; bytes: number }>(
      `SELECT count(*) AS n, coalesce(sum(length(body) - ?1), 0) AS bytes FROM garbage JOIN journal ON journal.run = garbage.n AND seq < below
       WHERE length(body) > ?1`,
      FORGOTTEN_BYTES,
    ),
  ];
  const released = { sql: 'EXISTS (SELECT 1 FROM garbage WHERE n = refs.run AND refs.seq >= 1 AND refs.seq < below)', values: [] };
  const unnamed = { sql: `SELECT b AS found FROM (${UNNAMED})`, values: [graceBegan(now), wanted.tenant ?? null] };
  const { blobs, bytes } = countUnreferenced(sql, [referredBy(released), unnamed], released);
  return { runs: runs?.n ?? 0, entries: journal?.n ?? 0, blobs, bytes: (journal?.bytes ?? 0) + bytes };
}

/** Deletes the bodies of a run's entries before one of them, up to STEP at a time. Their hashes stay. */
function forget(sql: Sql, n: number, before: number): { readonly entries: number; readonly bytes: number } {
  const rows = sql.all<{ rowid: number; body: Uint8Array }>(
    'SELECT rowid, body FROM journal WHERE run = ? AND seq < ? AND length(body) > ? ORDER BY seq LIMIT ?',
    n,
    before,
    FORGOTTEN_BYTES,
    STEP,
  );
  let bytes = 0;
  for (const { rowid, body } of rows) {
    sql.run('UPDATE journal SET body = ? WHERE rowid = ?', forgotten(body), rowid);
    bytes += body.length - FORGOTTEN_BYTES;
  }
  return { entries: rows.length, bytes };
}
