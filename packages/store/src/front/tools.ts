/** Reads about one tool: who declares it, who holds it, and its last calls. The run store is attached as `store`. */
import type { Digest, GrantId, RunId } from '@corral/protocol/ids';
import type { Holding, LateCall, LateCallRow, LateCallTable, ToolVersion } from '@corral/protocol/ports/tool-reads';
import type { FrontDatabase, Reading, Value } from './database.ts';

/** The condition that a run holds a tool, and its values. */
export function holding(tool: string, tenant: string | undefined): [string, ...Value[]] {
  const sql = `id IN (SELECT held.id FROM store.holdings JOIN store.runs AS held ON held.n = holdings.run
    WHERE holdings.tool = ?${tenant === undefined ? '' : ' AND holdings.tenant = ?'})`;
  return tenant === undefined ? [sql, tool] : [sql, tool, tenant];
}

export function holdingsOf(db: Reading, tool: string, runs: readonly string[]): Holding[] {
  return db.all<{ readonly run: RunId; readonly grant: GrantId }>(
    `SELECT held.id AS run, holdings."grant" FROM json_each(?) AS wanted CROSS JOIN store.runs AS held ON held.id = wanted.value
     JOIN store.holdings ON holdings.tool = ? AND holdings.tenant = held.tenant AND holdings.run = held.n`,
    JSON.stringify(runs),
    tool,
  );
}

interface Declared {
  readonly agent: string;
  readonly version: Digest;
  /** As JSON. */
  readonly names: string;
  readonly aliases: string;
  readonly live: number;
  readonly holding: number;
}

const LATEST = 'latest';

export function toolVersions(db: Reading, tenant: string, tool: string, requests: readonly string[]): ToolVersion[] {
  const [condition, ...held] = holding(tool, tenant);
  const rows = db.all<Declared>(
    `WITH going AS MATERIALIZED (
       SELECT agent, version, count(*) AS live, sum(${condition}) AS holding FROM runs INDEXED BY runs_live
       WHERE ended_as IS NULL AND tenant = ? GROUP BY agent, version),
     heads AS MATERIALIZED (
       SELECT agent, version, json_group_array(alias) AS aliases FROM alias_moves
       WHERE n IN (SELECT max(n) FROM alias_moves WHERE tenant = ? GROUP BY agent, alias) GROUP BY agent, version)
     SELECT versions.agent, versions.version, coalesce(heads.aliases, '[]') AS aliases, coalesce(going.live, 0) AS live,
       coalesce(going.holding, 0) AS holding, (
         SELECT json_group_array(key) FROM json_each(versions.manifest, '$.uses') WHERE value IN (SELECT value FROM json_each(?))) AS names
     FROM versions LEFT JOIN going USING (agent, version) LEFT JOIN heads USING (agent, version)
     WHERE versions.tenant = ? AND (going.holding > 0 OR ((going.live > 0 OR heads.aliases IS NOT NULL) AND names <> '[]'))
     ORDER BY versions.agent, versions.n DESC`,
    ...held,
    tenant,
    tenant,
    JSON.stringify(requests),
    tenant,
  );
  return rows.map(({ names, aliases, ...row }) => {
    const all = JSON.parse(aliases) as string[];
    return {
      ...row,
      latest: all.includes(LATEST),
      aliases: all.filter((alias) => alias !== LATEST).toSorted(),
      as: JSON.parse(names) as string[],
    };
  });
}

export function lateCalls(db: Reading, tenant: string, tool: string): LateCallRow[] {
  return db.all<LateCallRow>(
    `SELECT late_calls.tenant, tool, run, call, at, ms, code, coalesce(runs.agent, '') AS agent FROM late_calls LEFT JOIN runs ON runs.id = run
     WHERE late_calls.tenant = ? AND tool = ? ORDER BY at DESC, run, call DESC`,
    tenant,
    tool,
  );
}

export class LateCalls implements LateCallTable {
  readonly #db: FrontDatabase;

  constructor(db: FrontDatabase) {
    this.#db = db;
  }

  add(calls: readonly LateCall[], kept: number): void {
    if (calls.length === 0) return;
    this.#db.together(() => {
      for (const { tenant, tool, at, run, call, ms, code } of calls)
        this.#db.run(
          'INSERT OR IGNORE INTO late_calls (tenant, tool, at, run, call, ms, code) VALUES (?, ?, ?, ?, ?, ?, ?)',
          tenant,
          tool,
          at,
          run,
          call,
          ms,
          code,
        );
      for (const [tenant, tool] of new Map(calls.map((one) => [`${one.tenant} ${one.tool}`, [one.tenant, one.tool] as const])).values())
        this.#db.run(
          `DELETE FROM late_calls WHERE tenant = ?1 AND tool = ?2 AND at < (
             SELECT at FROM late_calls WHERE tenant = ?1 AND tool = ?2 ORDER BY at DESC LIMIT 1 OFFSET ?3)`,
          tenant,
          tool,
          kept - 1,
        );
    }, false);
  }
}
