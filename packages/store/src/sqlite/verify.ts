/** Checks evidence against itself, and reports where it first fails. */
import { hash } from 'node:crypto';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Verification } from '@corral/protocol/ports/evidence';
import { Opened } from '../core/blobs.ts';
import type { Custody, InboxRow } from '../core/engine.ts';
import { Broken, type Evidence } from '../core/evidence.ts';
import { PLACE } from '../core/places.ts';
import { isForgotten } from '../core/seal.ts';
import { CUSTODY } from './rows-runs.ts';
import type { Sql } from './sql.ts';

export interface Verified extends Omit<Verification, 'log'> {
  /** Number of the run that was checked last; undefined: there are no more. */
  readonly next: number | undefined;
}

/** Runs that one step checks. */
const STEP = 50;

/**
 * Checks as of one moment, so that what a running host writes meanwhile is not reported as damage.
 * @throws CORRAL_RUN_UNKNOWN
 */
export function verifyStep(sql: Sql, evidence: Evidence, what: Asked): Verified {
  sql.db.exec('BEGIN');
  try {
    return verifyRuns(sql, evidence, what);
  } finally {
    sql.db.exec('ROLLBACK');
  }
}

/** One run, or those after the one with this number. */
export type Asked = { readonly run: RunId } | { readonly after: number; readonly tenant?: string | undefined };

function verifyRuns(sql: Sql, evidence: Evidence, what: Asked): Verified {
  let runs: Custody[];
  if ('run' in what) {
    const custody = evidence.custody(what.run);
    if (custody === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${what.run}.`);
    runs = [custody];
  } else runs = custodies(sql, what.after, what.tenant);
  const count = { entries: 0, forgotten: 0 };
  const damaged = runs.flatMap((custody) => {
    try {
      verifyRun(sql, evidence, custody, count);
      return [];
    } catch (error) {
      if (error instanceof Broken) return [error.damage];
      throw error;
    }
  });
  return { runs: runs.length, ...count, damaged, next: 'run' in what || runs.length < STEP ? undefined : runs.at(-1)?.n };
}

/** Runs after the one with this number, in order. */
function custodies(sql: Sql, after: number, tenant: string | undefined): Custody[] {
  return sql.all<Custody>(`${CUSTODY} WHERE n > ?1 AND (?2 IS NULL OR tenant = ?2) ORDER BY n LIMIT ?3`, after, tenant ?? null, STEP);
}

/** @throws Broken */
function verifyRun(sql: Sql, evidence: Evidence, custody: Custody, count: { entries: number; forgotten: number }): void {
  const { id, n } = custody;
  const key = custody.erased_at === null ? evidence.keyOf(custody) : undefined;
  const opened = new Opened();
  for (const row of evidence.walk(custody)) {
    count.entries += 1;
    if (key === undefined || isForgotten(row.body)) count.forgotten += 1;
    else evidence.entry(custody, key, row, opened);
  }
  if (key === undefined) return;
  const sealed = sql.get<{ record: Uint8Array; outcome: Uint8Array | null }>(
    'SELECT record, outcome FROM runs JOIN records USING (n) WHERE n = ?',
    n,
  );
  if (sealed === undefined) throw new Broken(id, 0, 'record', 'is missing');
  const { bundle } = evidence.openOne<RunRecord>(key, PLACE.record(id), sealed.record, id);
  if (sealed.outcome !== null) evidence.openOne(key, PLACE.outcome(id), sealed.outcome, id);
  for (const item of sql.all<Omit<InboxRow, 'at'>>('SELECT seq, sender, key, format, delivery FROM inbox WHERE run = ?', n))
    evidence.delivery(id, key, item);
  const code = sql.get<{ source: string; source_hash: Uint8Array }>('SELECT source, source_hash FROM bundles WHERE digest = ?', bundle);
  if (code === undefined) throw new Broken(id, 0, 'bundle', `names the bundle ${bundle}, which is gone`);
  if (!hash('sha256', code.source, 'buffer').equals(code.source_hash))
    throw new Broken(id, 0, 'bundle', `names the bundle ${bundle}, whose source was changed`);
}
