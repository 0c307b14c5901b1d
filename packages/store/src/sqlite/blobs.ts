/** References to large payloads: of entries to payloads, and of payloads to their parts. */
import type { Sql } from './sql.ts';

export interface Released {
  readonly blobs: number;
  readonly bytes: number;
}

/** Releases a run's references from one entry on, up to another; blobs without references are deleted. */
export function releaseBlobs(sql: Sql, n: number, fromSeq: number, beforeSeq: number = Number.MAX_SAFE_INTEGER): Released {
  const released = sql.all<{ blob: number }>(
    'DELETE FROM refs WHERE run = ? AND seq >= ? AND seq < ? RETURNING blob',
    n,
    fromSeq,
    beforeSeq,
  );
  return deleteUnreferenced(
    sql,
    released.map(({ blob }) => blob),
  );
}

/** Deletes those of these blobs that nothing refers to, and then those parts of them that nothing else refers to. */
export function deleteUnreferenced(sql: Sql, candidates: readonly number[]): Released {
  let blobs = 0;
  let bytes = 0;
  const left = [...new Set(candidates)];
  for (let blob = left.pop(); blob !== undefined; blob = left.pop()) {
    const gone = sql.get<{ size: number }>(
      `DELETE FROM blobs WHERE b = ? AND NOT EXISTS (SELECT 1 FROM refs WHERE blob = b) AND NOT EXISTS (SELECT 1 FROM parts WHERE part = b)
       RETURNING length(data) AS size`,
      blob,
    );
    if (gone === undefined) continue;
    blobs += 1;
    bytes += gone.size;
    left.push(...sql.all<{ part: number }>('DELETE FROM parts WHERE blob = ? RETURNING part', blob).map(({ part }) => part));
  }
  return { blobs, bytes };
}

/** A part of a statement, with the values of its parameters. */
interface Sqled {
  readonly sql: string;
  readonly values: readonly (string | number | null)[];
}

/**
 * Counts the blobs that are deleted with these. Only reads: its list is a temporary table of its connection.
 * @param first of each, a SELECT of blobs as `found`; those that something else refers to stay
 * @param released a condition on rows of `refs`: those that go
 */
export function countUnreferenced(sql: Sql, first: readonly Sqled[], released: Sqled): Released {
  sql.db.exec('CREATE TEMP TABLE IF NOT EXISTS leaving (b INTEGER PRIMARY KEY); DELETE FROM leaving');
  const isHeld = `EXISTS (SELECT 1 FROM refs WHERE blob = found AND NOT (${released.sql}))
    OR EXISTS (SELECT 1 FROM parts WHERE part = found AND blob NOT IN (SELECT b FROM leaving))`;
  const take = (found: Sqled) =>
    sql.run(`INSERT OR IGNORE INTO leaving SELECT found FROM (${found.sql}) WHERE NOT (${isHeld})`, ...found.values, ...released.values);
  for (const one of first) take(one);
  // A part leaves with the last blob that lists it, so this takes as many turns as the tree of a payload has levels.
  const parts = 'SELECT DISTINCT part AS found FROM parts WHERE blob IN (SELECT b FROM leaving) AND part NOT IN (SELECT b FROM leaving)';
  while (take({ sql: parts, values: [] }) > 0);
  return (
    sql.get<{ blobs: number; bytes: number }>(
      'SELECT count(*) AS blobs, coalesce(sum(length(data)), 0) AS bytes FROM blobs WHERE b IN (SELECT b FROM leaving)',
    ) ?? { blobs: 0, bytes: 0 }
  );
}

/** The blobs that rows of `refs` which go refer to. */
export const referredBy = (released: Sqled): Sqled => ({
  ...released,
  sql: `SELECT DISTINCT blob AS found FROM refs WHERE ${released.sql}`,
});
