/**
 * Forgetting: erasing a run on request, and taking away journals whose time is over. Both leave the hashes, so that the chain
 * still shows how many entries there were, when, and that none was changed.
 */
import { CorralError } from '@corral/protocol/errors';
import type { Grant } from '@corral/protocol/grant';
import type { RunId } from '@corral/protocol/ids';
import type { Freed } from '@corral/protocol/store';
import type { Evidence } from './evidence.ts';
import { forgotten, FORGOTTEN_BYTES } from './seal.ts';
import type { Sql } from './sql.ts';

/** How long the journals of ended runs are kept, by tenant, in milliseconds. A tenant that is not named keeps them for ever. */
export type Retention = Readonly<Record<string, number>>;

export interface Collected extends Freed {
  readonly more: boolean;
}

/** Entries that one transaction forgets at most. */
const STEP = 1000;

/**
 * Destroys a run's key and what was written about it in the clear. Its sealed entries stay until garbage is collected; nothing
 * opens them any more.
 * @throws CORRAL_RUN_UNKNOWN, CORRAL_RUN_STATE
 */
export function eraseRun(sql: Sql, evidence: Evidence, run: RunId, at: number): void {
  const row = sql.get<{ n: number; lifecycle: string; erased_at: number | null }>(
    'SELECT n, lifecycle, erased_at FROM runs WHERE id = ?',
    run,
  );
  if (row === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${run}.`);
  if (row.lifecycle !== 'ended')
    throw new CorralError('CORRAL_RUN_STATE', `The run ${run} is ${row.lifecycle}; it can be erased once it has ended.`);
  if (row.erased_at !== null) return;
  const { n } = row;
  const heir = sql.get<{ holder: RunId }>(
    `WITH RECURSIVE below (id) AS (
       SELECT id FROM grants WHERE holder = ?1 UNION SELECT grants.id FROM grants JOIN below ON grants.parent = below.id
     ) SELECT holder FROM below JOIN grants USING (id) JOIN runs ON runs.id = holder WHERE lifecycle <> 'ended' LIMIT 1`,
    run,
  );
  if (heir !== undefined)
    throw new CorralError(
      'CORRAL_RUN_STATE',
      `The run ${run} gave capabilities on that ${heir.holder} holds; it can be erased once that has ended.`,
    );
  sql.run("UPDATE records SET key = NULL, record = x'' WHERE n = ?", n);
  sql.run('UPDATE runs SET outcome = NULL, erased_at = ?, pruned_at = NULL WHERE n = ?', at, n);
  sql.run('DELETE FROM inbox WHERE run = ?', n);
  sql.run('DELETE FROM timers WHERE run = ?', n);
  evidence.blobs.release(n, 0);
  // What a grant was attenuated to can be data about people. Without its predicates it would allow more, so it allows nothing.
  for (const { id, data } of sql.all<{ id: string; data: string }>('SELECT id, data FROM grants WHERE holder = ?', run)) {
    const bare: Grant = { ...(JSON.parse(data) as Grant), where: {} };
    sql.run('UPDATE grants SET data = ?, revoked = 1 WHERE id = ?', JSON.stringify(bare), id);
  }
}

/** Takes away the contents of up to STEP entries: of erased runs first, then of runs whose retention has passed. */
export function collect(sql: Sql, evidence: Evidence, now: number, retention: Retention): Collected {
  const n = erased(sql) ?? expired(sql, now, retention);
  if (n === undefined) return collectSegment(sql, evidence, now, retention);
  const { entries, bytes } = forget(sql, n, Number.MAX_SAFE_INTEGER);
  if (entries === STEP) return { runs: 0, entries, blobs: 0, bytes, more: true };
  const released = evidence.blobs.release(n, 1);
  sql.run('UPDATE runs SET pruned_at = ? WHERE n = ?', now, n);
  return { runs: 1, entries, blobs: released.blobs, bytes: bytes + released.bytes, more: true };
}

/** Of runs that go on, and of those that were instances of services last and would be gone on from. */
const SEGMENTS = [
  `SELECT n, checkpoint FROM runs JOIN journal ON journal.run = n AND journal.seq = checkpoint
   WHERE lifecycle <> 'ended' AND checkpoint > pruned_seq AND tenant = ? AND journal.at <= ? LIMIT 1`,
  `SELECT n, checkpoint FROM instances JOIN runs ON runs.id = instances.run
   WHERE live = 0 AND lifecycle = 'ended' AND pruned_at IS NULL AND checkpoint > pruned_seq AND tenant = ? AND ended_at <= ? LIMIT 1`,
] as const;

/** Of a run that goes on, what came before its last checkpoint is not needed any more; after the retention it is forgotten too. */
function collectSegment(sql: Sql, evidence: Evidence, now: number, retention: Retention): Collected {
  for (const [tenant, kept_ms] of Object.entries(retention)) {
    const row = SEGMENTS.map((segments) => sql.get<{ n: number; checkpoint: number }>(segments, tenant, now - kept_ms)).find(
      (one) => one !== undefined,
    );
    if (row === undefined) continue;
    const { n, checkpoint } = row;
    const { entries, bytes } = forget(sql, n, checkpoint);
    if (entries === STEP) return { runs: 0, entries, blobs: 0, bytes, more: true };
    const released = evidence.blobs.release(n, 1, checkpoint);
    sql.run('UPDATE runs SET pruned_seq = ? WHERE n = ?', checkpoint, n);
    return { runs: 0, entries, blobs: released.blobs, bytes: bytes + released.bytes, more: true };
  }
  return { runs: 0, entries: 0, blobs: 0, bytes: 0, more: false };
}

/** Takes the bodies of a run's entries before one of them, up to STEP at once. Their hashes stay. */
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

function erased(sql: Sql): number | undefined {
  return sql.get<{ n: number }>('SELECT n FROM runs WHERE erased_at IS NOT NULL AND pruned_at IS NULL LIMIT 1')?.n;
}

function expired(sql: Sql, now: number, retention: Retention): number | undefined {
  for (const [tenant, kept_ms] of Object.entries(retention)) {
    const row = sql.get<{ n: number }>(
      // What an instance of a service had kept when it ended, the next one goes on from, however late.
      `SELECT n FROM runs WHERE lifecycle = 'ended' AND pruned_at IS NULL AND tenant = ? AND ended_at <= ?
       AND (outcome_kind = 'killed' OR NOT EXISTS (SELECT 1 FROM instances WHERE run = runs.id)) LIMIT 1`,
      tenant,
      now - kept_ms,
    );
    if (row !== undefined) return row.n;
  }
  return undefined;
}
