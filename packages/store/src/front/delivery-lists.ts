/** Reads of notifications: the list of them, and how each receiver stands. */
import type { DeliveriesWanted, HookSummary } from '@corral/protocol/ports/front-reads';
import type { DeliveryRow } from '@corral/protocol/ports/front';
import type { Reading } from './database.ts';
import { ALL } from './deliveries.ts';

/** The name of a receiver, which is the beginning of its key: `nameOf` in SQL. */
const NAME = "substr(hook, 1, instr(hook || '@', '@') - 1)";
const SEEN = '(?1 IS NULL OR hook IN (SELECT value FROM json_each(?1))) AND (?2 IS NULL OR tenant = ?2)';

export function deliveriesOf(db: Reading, { hooks, tenant, hook, state, before, limit }: DeliveriesWanted): DeliveryRow[] {
  return db.all<DeliveryRow>(
    `SELECT * FROM (${ALL}) WHERE ${SEEN} AND (?3 IS NULL OR ${NAME} = ?3) AND (?4 IS NULL OR state = ?4) AND (?5 IS NULL OR n < ?5)
     ORDER BY n DESC LIMIT ?6`,
    hooks === undefined ? null : JSON.stringify(hooks),
    tenant ?? null,
    hook ?? null,
    state ?? null,
    before ?? null,
    limit,
  );
}

export function hookSummaries(db: Reading, hooks: readonly string[]): HookSummary[] {
  return db.all<HookSummary>(
    `SELECT value AS hook,
       (SELECT count(*) FROM outbox WHERE hook = value) AS pending,
       (SELECT count(*) FROM deliveries WHERE hook = value AND state = 'given_up') AS given_up,
       (SELECT max(ended_at) FROM deliveries WHERE hook = value AND state = 'delivered') AS delivered_at,
       (SELECT error FROM outbox WHERE hook = value AND error IS NOT NULL ORDER BY tried_at DESC LIMIT 1) AS error
     FROM json_each(?)`,
    JSON.stringify(hooks),
  );
}
