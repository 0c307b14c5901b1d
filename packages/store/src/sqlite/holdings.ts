/**
 * Which runs that have not ended hold grants to which tools, without grants that were revoked, themselves or above. It is kept in the same
 * transactions as grants and runs, so that who may reach a tool is read from an index of these alone, however many runs have ended.
 */
import type { NewGrant } from '../core/engine.ts';
import type { Sql } from './sql.ts';

const PUT = `INSERT INTO holdings (tool, tenant, run, "grant")
  SELECT ?1 ->> '$.target.tool', tenant, n, ?2 FROM runs
  WHERE id = ?3 AND lifecycle <> 'ended' AND ?1 ->> '$.target.tool' IS NOT NULL`;
const ABOVE = `AND NOT EXISTS (WITH RECURSIVE above (id) AS (
    SELECT ?4 UNION SELECT parent FROM grants JOIN above USING (id) WHERE parent IS NOT NULL
  ) SELECT 1 FROM above JOIN grants USING (id) WHERE revoked = 1)`;

/** The grant is stored. */
export function holds(sql: Sql, { id, parent, holder, data }: NewGrant): void {
  if (parent === undefined) sql.run(PUT, data, id, holder);
  else sql.run(`${PUT} ${ABOVE}`, data, id, holder, parent);
}

/** A grant is marked as revoked, so nothing that was derived from it works. */
export function holdsNoMore(sql: Sql, grant: string): void {
  sql.run(
    `WITH RECURSIVE below (id) AS (SELECT ? UNION SELECT grants.id FROM below JOIN grants ON grants.parent = below.id)
     DELETE FROM holdings WHERE (tool, tenant, run, "grant") IN (
       SELECT data ->> '$.target.tool', tenant, n, grants.id FROM below JOIN grants USING (id) JOIN runs ON runs.id = holder)`,
    grant,
  );
}

/** A run has ended. */
export function letGo(sql: Sql, n: number): void {
  sql.run(
    `DELETE FROM holdings WHERE (tool, tenant, run, "grant") IN (
       SELECT data ->> '$.target.tool', tenant, n, grants.id FROM runs JOIN grants ON holder = runs.id WHERE n = ?)`,
    n,
  );
}
