/** The tables of a store on SQLite, as the engine of `core`: each method is a statement or two. */
import type { Engine, LogRows } from '../core/engine.ts';
import { committedOf, forgetSpend, postSpend, spendOf } from './accounts.ts';
import { usageOf } from './usage.ts';
import { Inbox, Requests, Timers } from './rows-mail.ts';
import { Eras } from './rows-nodes.ts';
import { Blobs, Grants, Registry } from './rows-registry.ts';
import { Journal, Runs } from './rows-runs.ts';
import type { Sql } from './sql.ts';

export const sqliteEngine = (sql: Sql, log: LogRows): Engine => ({
  runs: new Runs(sql),
  journal: new Journal(sql),
  inbox: new Inbox(sql),
  blobs: new Blobs(sql),
  grants: new Grants(sql),
  timers: new Timers(sql),
  requests: new Requests(sql),
  accounts: {
    post: (change) => postSpend(sql, change),
    days: (filter) => spendOf(sql, filter),
    usage: (wanted) => usageOf(sql, wanted),
    committed: (holder, days, name) => committedOf(sql, holder, days, name),
    forget: (before) => forgetSpend(sql, before),
  },
  registry: new Registry(sql),
  nodes: new Eras(sql),
  log,
});
