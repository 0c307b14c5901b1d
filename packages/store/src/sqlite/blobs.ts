/** References of entries to large payloads. */
import type { Sql } from './sql.ts';

/** Releases a run's references from one entry on, up to another; blobs without references are deleted. */
export function releaseBlobs(
  sql: Sql,
  n: number,
  fromSeq: number,
  beforeSeq: number = Number.MAX_SAFE_INTEGER,
): { blobs: number; bytes: number } {
  const released = sql.all<{ blob: number }>(
    'DELETE FROM refs WHERE run = ? AND seq >= ? AND seq < ? RETURNING blob',
    n,
    fromSeq,
    beforeSeq,
  );
  let blobs = 0;
  let bytes = 0;
  for (const blob of new Set(released.map((row) => row.blob))) {
    const gone = sql.get<{ size: number }>(
      'DELETE FROM blobs WHERE b = ? AND NOT EXISTS (SELECT 1 FROM refs WHERE blob = b) RETURNING length(data) AS size',
      blob,
    );
    if (gone === undefined) continue;
    blobs += 1;
    bytes += gone.size;
  }
  return { blobs, bytes };
}
