/** The tables of `front.db`, and the migrations that lead to them. */

/** The tables of the first release. */
const FIRST = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE versions (
  n INTEGER PRIMARY KEY, tenant TEXT NOT NULL, agent TEXT NOT NULL, version TEXT NOT NULL, bundle TEXT NOT NULL,
  manifest TEXT NOT NULL, deployed_at INTEGER NOT NULL, deployed_by TEXT NOT NULL, UNIQUE (tenant, agent, version)) STRICT;
CREATE TABLE maps (tenant TEXT NOT NULL, bundle TEXT NOT NULL, map TEXT NOT NULL, PRIMARY KEY (tenant, bundle)) STRICT;
CREATE TABLE alias_moves (
  n INTEGER PRIMARY KEY, tenant TEXT NOT NULL, agent TEXT NOT NULL, alias TEXT NOT NULL, version TEXT NOT NULL,
  before INTEGER REFERENCES alias_moves (n), at INTEGER NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL) STRICT;
CREATE INDEX alias_moves_of ON alias_moves (tenant, agent, alias, n);
CREATE TABLE tokens (
  id TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, name TEXT NOT NULL, tenant TEXT NOT NULL, roles TEXT NOT NULL,
  created_at INTEGER NOT NULL, created_by TEXT NOT NULL, expires_at INTEGER, revoked_at INTEGER, used_at INTEGER) STRICT;
CREATE TABLE submissions (run TEXT PRIMARY KEY, body TEXT NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE runs (
  n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL, agent TEXT NOT NULL, version TEXT NOT NULL,
  parent TEXT, principal TEXT NOT NULL, config TEXT NOT NULL, created_at INTEGER NOT NULL, began INTEGER NOT NULL DEFAULT 0,
  control TEXT NOT NULL DEFAULT 'none', ended_as TEXT, ended_at INTEGER,
  cpu_ms REAL NOT NULL DEFAULT 0, calls INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX runs_of_tenant ON runs (tenant, n);
CREATE INDEX runs_of_agent ON runs (agent, n);
CREATE INDEX runs_of_parent ON runs (parent, n) WHERE parent IS NOT NULL;
CREATE INDEX runs_live ON runs (n) WHERE ended_as IS NULL;
CREATE TABLE operations (
  n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, tenant TEXT, at INTEGER NOT NULL, result TEXT NOT NULL) STRICT;
CREATE TABLE outbox (
  n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, url TEXT NOT NULL, body TEXT NOT NULL, at INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL, UNIQUE (id, url)) STRICT;
CREATE INDEX outbox_due ON outbox (due);
CREATE TABLE schedules (
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, agent TEXT NOT NULL, input TEXT NOT NULL, cron TEXT NOT NULL, created_by TEXT NOT NULL,
  next_at INTEGER, last_at INTEGER, last_run TEXT, last_error TEXT) STRICT;
CREATE TABLE configs (
  n INTEGER PRIMARY KEY AUTOINCREMENT, version TEXT NOT NULL, config TEXT NOT NULL, at INTEGER NOT NULL, by TEXT NOT NULL) STRICT;
`;

/** The state of a run: that of its end without its detail, or of its control, or of its life. */
const stateOf = (row: string) => `CASE
  WHEN ${row}.ended_as IS NOT NULL THEN substr(${row}.ended_as, 1, instr(${row}.ended_as || '(', '(') - 1)
  WHEN ${row}.control <> 'none' THEN ${row}.control WHEN ${row}.began = 0 THEN 'queued' ELSE 'active' END`;
const COUNT_STATE = `INSERT INTO run_states (tenant, agent, state, runs)`;
const COUNT_HOUR = `INSERT INTO run_hours (hour, tenant, agent, state, runs, cpu_ms, calls, tokens, money_micros)`;
const ADD_STATE = 'ON CONFLICT DO UPDATE SET runs = runs + excluded.runs';
const ADD_HOUR = `ON CONFLICT DO UPDATE SET runs = runs + excluded.runs, cpu_ms = cpu_ms + excluded.cpu_ms, calls = calls + excluded.calls,
  tokens = tokens + excluded.tokens, money_micros = money_micros + excluded.money_micros`;
const HOUR_MS = 3_600_000;
/** Amounts of an ended run. A run's amounts, calls excepted, have those of its ended children in them, so those of children are left out. */
const OF_FAMILY =
  'iif(NEW.parent IS NULL, NEW.cpu_ms, 0), NEW.calls, iif(NEW.parent IS NULL, NEW.tokens, 0), iif(NEW.parent IS NULL, NEW.money_micros, 0)';

/**
 * The parts that lists read: an index with all columns that their conditions and orders name, and counts by state and by hour, which triggers keep, so
 * that whoever writes the table need not know of them. Hours are counted for each agent, and for all of a tenant under the name '': a month of
 * a thousand agents has as many rows as runs.
 */
const LISTS = `
CREATE INDEX runs_scan ON runs (
  n, tenant, agent, principal, control, began, ended_as, created_at, ended_at, cpu_ms, calls, tokens, money_micros, id);
CREATE TABLE run_states (
  tenant TEXT NOT NULL, agent TEXT NOT NULL, state TEXT NOT NULL, runs INTEGER NOT NULL, PRIMARY KEY (tenant, agent, state)) STRICT, WITHOUT ROWID;
CREATE TABLE run_hours (
  hour INTEGER NOT NULL, tenant TEXT NOT NULL, agent TEXT NOT NULL, state TEXT NOT NULL, runs INTEGER NOT NULL, cpu_ms REAL NOT NULL,
  calls INTEGER NOT NULL, tokens INTEGER NOT NULL, money_micros INTEGER NOT NULL, PRIMARY KEY (agent, hour, tenant, state)) STRICT, WITHOUT ROWID;
${COUNT_STATE} SELECT tenant, agent, ${stateOf('runs')}, count(*) FROM runs GROUP BY 1, 2, 3;
${COUNT_HOUR} SELECT created_at / ${HOUR_MS}, tenant, agent, 'admitted', count(*), 0, 0, 0, 0 FROM runs GROUP BY 1, 2, 3;
${COUNT_HOUR} SELECT ended_at / ${HOUR_MS}, tenant, agent, ${stateOf('runs')}, count(*), total(iif(parent IS NULL, cpu_ms, 0)), sum(calls),
  sum(iif(parent IS NULL, tokens, 0)), sum(iif(parent IS NULL, money_micros, 0))
  FROM runs WHERE ended_as IS NOT NULL AND ended_at IS NOT NULL GROUP BY 1, 2, 3, 4;
${COUNT_HOUR} SELECT hour, tenant, '', state, sum(runs), sum(cpu_ms), sum(calls), sum(tokens), sum(money_micros) FROM run_hours GROUP BY 1, 2, 4;
CREATE TRIGGER runs_added AFTER INSERT ON runs BEGIN
  ${COUNT_STATE} VALUES (NEW.tenant, NEW.agent, ${stateOf('NEW')}, 1) ${ADD_STATE};
  ${COUNT_HOUR} VALUES (NEW.created_at / ${HOUR_MS}, NEW.tenant, NEW.agent, 'admitted', 1, 0, 0, 0, 0),
    (NEW.created_at / ${HOUR_MS}, NEW.tenant, '', 'admitted', 1, 0, 0, 0, 0) ${ADD_HOUR};
END;
CREATE TRIGGER runs_moved AFTER UPDATE OF control, began, ended_as ON runs WHEN ${stateOf('OLD')} <> ${stateOf('NEW')} BEGIN
  ${COUNT_STATE} VALUES (OLD.tenant, OLD.agent, ${stateOf('OLD')}, -1) ${ADD_STATE};
  ${COUNT_STATE} VALUES (NEW.tenant, NEW.agent, ${stateOf('NEW')}, 1) ${ADD_STATE};
END;
CREATE TRIGGER runs_ended AFTER UPDATE OF ended_as ON runs WHEN OLD.ended_as IS NULL AND NEW.ended_as IS NOT NULL BEGIN
  ${COUNT_HOUR} VALUES
    (NEW.ended_at / ${HOUR_MS}, NEW.tenant, NEW.agent, ${stateOf('NEW')}, 1, ${OF_FAMILY}),
    (NEW.ended_at / ${HOUR_MS}, NEW.tenant, '', ${stateOf('NEW')}, 1, ${OF_FAMILY}) ${ADD_HOUR};
END;
-- The name of an act and its author are in its text.
ALTER TABLE operations ADD COLUMN operation TEXT GENERATED ALWAYS AS (result ->> '$.operation') VIRTUAL;
ALTER TABLE operations ADD COLUMN by TEXT GENERATED ALWAYS AS (result ->> '$.by') VIRTUAL;
CREATE INDEX operations_of ON operations (operation, n);
CREATE INDEX operations_by ON operations (by, n);
CREATE INDEX operations_in ON operations (tenant, n);
`;

/** The migrations from the first tables to the current ones. A released step is never changed; a new one is added at the end. */
export const STEPS: readonly string[] = [
  FIRST,
  `
ALTER TABLE runs ADD COLUMN tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN money_micros INTEGER NOT NULL DEFAULT 0;
`,
  `
-- What was so when a run left memory, as JSON.
ALTER TABLE runs ADD COLUMN parked TEXT;
`,
  `
-- What webhooks must still be told: one queue for each receiver, named by its key. Rows without one are from before; they are
-- handed to the receivers that the configuration names at the next start. Then what came of it.
CREATE TABLE queue (
  n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, hook TEXT, url TEXT NOT NULL, tenant TEXT, kind TEXT NOT NULL DEFAULT '',
  body TEXT NOT NULL, at INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL, tried_at INTEGER, error TEXT,
  UNIQUE (id, hook)) STRICT;
INSERT INTO queue (n, id, url, body, at, attempts, due) SELECT n, id, url, body, at, attempts, due FROM outbox;
DROP TABLE outbox;
ALTER TABLE queue RENAME TO outbox;
CREATE INDEX outbox_due ON outbox (hook, due);
CREATE TABLE IF NOT EXISTS deliveries (
  n INTEGER PRIMARY KEY, id TEXT NOT NULL, hook TEXT NOT NULL, url TEXT NOT NULL, tenant TEXT, kind TEXT NOT NULL, body TEXT,
  at INTEGER NOT NULL, attempts INTEGER NOT NULL, state TEXT NOT NULL, ended_at INTEGER NOT NULL, error TEXT) STRICT;
CREATE INDEX IF NOT EXISTS deliveries_of ON deliveries (hook, state, n);
CREATE INDEX IF NOT EXISTS deliveries_old ON deliveries (ended_at);
`,
  `
-- Whom a token was made for, where its name does not say; and tokens that were made while another had their name: they go by their id.
CREATE TABLE IF NOT EXISTS token_people (token TEXT PRIMARY KEY, person TEXT, nameless INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tokens_name ON tokens (name);
INSERT OR IGNORE INTO token_people (token, nameless) SELECT id, 1 FROM tokens WHERE EXISTS (
  SELECT 1 FROM tokens AS older WHERE older.name = tokens.name AND older.rowid < tokens.rowid
  AND coalesce(older.revoked_at, tokens.created_at + 1) > tokens.created_at AND coalesce(older.expires_at, tokens.created_at + 1) > tokens.created_at);
`,
  `
-- What each configuration that was accepted was made of, so that it can be made again when its files are broken.
CREATE TABLE IF NOT EXISTS config_files (
  n INTEGER PRIMARY KEY AUTOINCREMENT, version TEXT NOT NULL, file TEXT NOT NULL, kept TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS config_files_of ON config_files (file, n);
`,
  `
-- What was in force: texts by their digest, and which policies a tenant had, since when, by whom and why.
CREATE TABLE archive (digest TEXT PRIMARY KEY, kind TEXT NOT NULL, text TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
CREATE TABLE policy_moves (
  n INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, version TEXT, files TEXT NOT NULL, config TEXT NOT NULL,
  at INTEGER NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL) STRICT;
CREATE INDEX policy_moves_of ON policy_moves (tenant, n);
ALTER TABLE configs ADD COLUMN reason TEXT;
`,
  `
-- Tenants take turns at a receiver. What was wrong was kept in words of the machine, which not everybody who reads it may see.
CREATE INDEX outbox_turns ON outbox (hook, tenant, due);
UPDATE outbox SET error = NULL WHERE error NOT LIKE 'it answered %' AND error NOT LIKE 'it did not answer %';
UPDATE deliveries SET error = NULL WHERE error NOT LIKE 'it answered %' AND error NOT LIKE 'it did not answer %';
`,
  `
-- Events for followers. Data that is in a journal is not repeated: the row has its place. '' stands for events of the host, '*' for
-- a reset that concerns all followers. For each tenant the table beside has the highest number that was forgotten, and the bytes of the rest;
-- for each start of the host, the number of its first event.
CREATE TABLE events (
  n INTEGER PRIMARY KEY, era INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, tenant TEXT NOT NULL, run TEXT, agent TEXT,
  data TEXT, entry INTEGER, part INTEGER, bytes INTEGER NOT NULL) STRICT;
CREATE INDEX events_of ON events (tenant, n);
CREATE TABLE event_tenants (
  tenant TEXT PRIMARY KEY, forgotten INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE TABLE event_eras (era INTEGER PRIMARY KEY, first INTEGER NOT NULL) STRICT;
`,
  LISTS,
  `
-- What people decided, a row for each word of a person, written as it becomes durable in the journal. Calls about which people are asked now are
-- in a table of their own: after a crash their journals are read for decisions that have no row yet.
CREATE TABLE decisions (
  n INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, call INTEGER NOT NULL, tenant TEXT NOT NULL, agent TEXT NOT NULL, tool TEXT NOT NULL,
  shape TEXT NOT NULL, verdict TEXT NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL, asked_at INTEGER NOT NULL, at INTEGER NOT NULL,
  UNIQUE (run, call, by)) STRICT;
CREATE INDEX decisions_in ON decisions (tenant, n);
CREATE INDEX decisions_of ON decisions (agent, n);
CREATE INDEX decisions_by ON decisions (by, n);
CREATE INDEX decisions_tool ON decisions (tool, n);
CREATE INDEX decisions_such ON decisions (shape, by, verdict);
CREATE INDEX decisions_at ON decisions (at);
CREATE TABLE approvals_open (
  run TEXT NOT NULL, call INTEGER NOT NULL, tool TEXT NOT NULL, shape TEXT NOT NULL, asked_at INTEGER NOT NULL, PRIMARY KEY (run, call)) STRICT, WITHOUT ROWID;
CREATE TABLE claims (
  run TEXT NOT NULL, call INTEGER NOT NULL, by TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (run, call)) STRICT, WITHOUT ROWID;
CREATE TABLE links_used (digest TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE put_off (
  run TEXT NOT NULL, call INTEGER NOT NULL, by TEXT NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (run, call, by)) STRICT, WITHOUT ROWID;
`,
  `
-- Effects of a run that were refused, and calls that were carried out and whose answer its agent was not given: how many, and when the last one was.
ALTER TABLE runs ADD COLUMN refused INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN refused_at INTEGER;
ALTER TABLE runs ADD COLUMN withheld INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN withheld_at INTEGER;
CREATE INDEX runs_refused ON runs (n) WHERE refused_at IS NOT NULL;
CREATE INDEX runs_withheld ON runs (n) WHERE withheld_at IS NOT NULL;
`,
  `
-- The last calls of each tool in each tenant, when they were over.
CREATE TABLE late_calls (
  tenant TEXT NOT NULL, tool TEXT NOT NULL, at INTEGER NOT NULL, run TEXT NOT NULL, call INTEGER NOT NULL, ms REAL, code TEXT,
  PRIMARY KEY (tenant, tool, at, run, call)) STRICT, WITHOUT ROWID;
-- The store says which journals have decisions that are not here.
DROP TABLE approvals_open;
`,
  `
-- Who paused a run or put it under quarantine.
ALTER TABLE runs ADD COLUMN stopped_by TEXT;
CREATE INDEX runs_stopped ON runs (n) WHERE ended_as IS NULL AND stopped_by IS NOT NULL;
`,
  `
-- Texts under the host's key ring, each with a wrapped key of its own.
CREATE TABLE sealed (
  name TEXT PRIMARY KEY, key_version INTEGER NOT NULL, key BLOB NOT NULL, text BLOB NOT NULL) STRICT, WITHOUT ROWID;
`,
];
