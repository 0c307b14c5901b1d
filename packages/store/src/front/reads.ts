/** The reads of the front door's tables, on a connection that only reads. `reader.ts` has them on a thread of their own. */
import type {
  ActRow,
  ActsWanted,
  DeliveriesWanted,
  FrontReads,
  HookSummary,
  QueuedRun,
  QueueWanted,
  RunPage,
  RunPageWanted,
  SpanCount,
  SpansWanted,
  StateCount,
} from '@corral/protocol/ports/front-reads';
import type { DecidedCount, DecidedPageWanted, DecidedRow, DecidedWanted } from '@corral/protocol/ports/approvals';
import type { DeliveryRow } from '@corral/protocol/ports/front';
import type { Holding, LateCallRow, ToolVersion } from '@corral/protocol/ports/tool-reads';
import type { Reading, Value } from './database.ts';
import { deliveriesOf, hookSummaries } from './delivery-lists.ts';
import { searchRuns } from './search.ts';
import { holdingsOf, lateCalls, toolVersions } from './tools.ts';

/** The port without its promises. */
type Answers = {
  readonly [K in Exclude<keyof FrontReads, 'close'>]: (...wanted: Parameters<FrontReads[K]>) => Awaited<ReturnType<FrontReads[K]>>;
};

const HOUR_MS = 3_600_000;

export class Reads implements Answers {
  readonly #db: Reading;

  constructor(db: Reading) {
    this.#db = db;
  }

  runs(wanted: RunPageWanted): RunPage {
    return searchRuns(this.#db, wanted);
  }

  family(runs: readonly string[]): string[] {
    return this.#db
      .all<{ id: string }>(
        `WITH RECURSIVE family (id) AS (
           SELECT value FROM json_each(?) UNION SELECT child.id FROM family JOIN runs AS child ON child.parent = family.id)
         SELECT runs.id FROM family JOIN runs ON runs.id = family.id WHERE runs.ended_as IS NULL`,
        JSON.stringify(runs),
      )
      .map(({ id }) => id);
  }

  states(tenant: string | undefined): StateCount[] {
    return this.#db.all<StateCount>(
      `SELECT tenant, agent, state, runs FROM run_states WHERE runs > 0 ${tenant === undefined ? '' : 'AND tenant = ?'} ORDER BY tenant, agent, state`,
      ...(tenant === undefined ? [] : [tenant]),
    );
  }

  spans({ tenant, agent, from, until, hours }: SpansWanted): SpanCount[] {
    return this.#db
      .all<SpanCount>(
        // A number that is bound is a REAL, which divides without rounding.
        `SELECT hour / CAST(?1 AS INTEGER) * CAST(?1 AS INTEGER) AS at, state, sum(runs) AS runs, sum(cpu_ms) AS cpu_ms, sum(calls) AS calls, sum(tokens) AS tokens,
           sum(money_micros) AS money_micros
         FROM run_hours WHERE agent = ?5 AND hour >= ?2 AND hour < ?3 AND (?4 IS NULL OR tenant = ?4)
         GROUP BY 1, 2 ORDER BY 1, 2`,
        hours,
        Math.floor(from / HOUR_MS),
        Math.ceil(until / HOUR_MS),
        tenant ?? null,
        // All agents of a tenant together.
        agent ?? '',
      )
      .map((row) => ({ ...row, at: row.at * HOUR_MS }));
  }

  queue({ tenant, after = 0, limit }: QueueWanted): QueuedRun[] {
    return this.#db.all(
      `SELECT * FROM (
         SELECT n, id, tenant, agent, principal, created_at, row_number() OVER (PARTITION BY tenant ORDER BY n) AS position
         FROM runs INDEXED BY runs_live WHERE ended_as IS NULL AND began = 0 AND control = 'none' ${tenant === undefined ? '' : 'AND tenant = ?'}
       ) WHERE n > ? ORDER BY n LIMIT ?`,
      ...(tenant === undefined ? [] : [tenant]),
      after,
      limit,
    );
  }

  oldestQueued(tenant: string | undefined): Awaited<ReturnType<FrontReads['oldestQueued']>> {
    return this.#db.all(
      `SELECT tenant, min(created_at) AS created_at, count(*) AS runs FROM runs INDEXED BY runs_live
       WHERE ended_as IS NULL AND began = 0 AND control = 'none' ${tenant === undefined ? '' : 'AND tenant = ?'} GROUP BY tenant`,
      ...(tenant === undefined ? [] : [tenant]),
    );
  }

  notifications(): Awaited<ReturnType<FrontReads['notifications']>> {
    const found = this.#db.all<{ readonly pending: number; readonly given_up: number }>(
      `SELECT (SELECT count(*) FROM outbox) AS pending, (SELECT count(*) FROM deliveries WHERE state = 'given_up') AS given_up`,
    );
    return found[0] ?? { pending: 0, given_up: 0 };
  }

  deliveries(wanted: DeliveriesWanted): DeliveryRow[] {
    return deliveriesOf(this.#db, wanted);
  }

  hooks(keys: readonly string[]): HookSummary[] {
    return hookSummaries(this.#db, keys);
  }

  acts({ tenant, operation, by, run, since, until, before, limit }: ActsWanted): ActRow[] {
    const { also, where } = conditions();
    also('tenant = ?', tenant);
    also(among('operation'), listOf(operation));
    also('by = ?', by);
    also('at >= ?', since);
    also('at < ?', until);
    also('n < ?', before);
    // Receipts name children that were reached. The whole text is searched before it is parsed, since few texts name the run at all.
    const named = (text: string) => `instr(${text}, '"' || ? || '"') > 0`;
    also(named('result'), run);
    also(named("json_extract(result, '$.target', '$.matched', '$.receipts', '$.refused')"), run);
    const { sql, values } = where();
    return this.#db.all<ActRow>(`SELECT n, result AS text FROM operations ${sql} ORDER BY n DESC LIMIT ?`, ...values, limit);
  }

  decided({ before, limit, ...wanted }: DecidedPageWanted): DecidedRow[] {
    const { also, where } = decisionsOf(wanted);
    also('n < ?', before);
    const { sql, values } = where();
    const columns = 'n, run, call, tenant, agent, tool, shape, verdict, by, reason, asked_at, at';
    return this.#db.all<DecidedRow>(`SELECT ${columns} FROM decisions ${sql} ORDER BY n DESC LIMIT ?`, ...values, limit);
  }

  decidedCounts(wanted: DecidedWanted): DecidedCount[] {
    const { sql, values } = decisionsOf(wanted).where();
    return this.#db.all<DecidedCount>(`SELECT shape, verdict, count(*) AS count FROM decisions ${sql} GROUP BY 1, 2`, ...values);
  }

  holdings(tool: string, runs: readonly string[]): Holding[] {
    return holdingsOf(this.#db, tool, runs);
  }

  toolVersions(tenant: string, tool: string, requests: readonly string[]): ToolVersion[] {
    return toolVersions(this.#db, tenant, tool, requests);
  }

  lateCalls(tenant: string, tool: string): LateCallRow[] {
    return lateCalls(this.#db, tenant, tool);
  }
}

/** Conditions of a query, all of which must hold. */
function conditions() {
  const parts: string[] = [];
  const values: Value[] = [];
  return {
    /** @param value undefined: the condition is left out */
    also: (sql: string, value: Value | undefined): void => {
      if (value === undefined) return;
      parts.push(sql);
      values.push(value);
    },
    where: () => ({ sql: parts.length === 0 ? '' : `WHERE ${parts.join(' AND ')}`, values }),
  };
}

/** One of the values of a list, as `listOf` gives it. */
const among = (column: string): string => `${column} IN (SELECT value FROM json_each(?))`;
const listOf = (values: readonly string[] | undefined): string | undefined => (values === undefined ? undefined : JSON.stringify(values));

function decisionsOf({ tenant, agent, tool, verdict, by, run, shape, since, until, q }: DecidedWanted) {
  const made = conditions();
  made.also('tenant = ?', tenant);
  made.also(among('agent'), listOf(agent));
  made.also(among('tool'), listOf(tool));
  made.also(among('verdict'), listOf(verdict));
  made.also(among('by'), listOf(by));
  made.also('run = ?', run);
  made.also(among('shape'), listOf(shape));
  made.also("instr(lower(agent || ' ' || tool || ' ' || by), ?) > 0", q?.toLowerCase());
  made.also('at >= ?', since);
  made.also('at < ?', until);
  return made;
}
