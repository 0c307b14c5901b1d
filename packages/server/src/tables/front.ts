/**
 * The front door's own tables, in `front.db` in the data folder: deployed agents, aliases, tokens, schedules, records of acts,
 * queued notifications. Runs live in the store; the table of runs here is only an index for lists, built again from the store if
 * Corral did not stop in order.
 *
 * Written on the host's event loop: in WAL mode with synchronous=NORMAL a commit does not wait for the disk. Rare writes that
 * must survive a power failure (a revoked token, a moved alias) go through `durably`, which waits.
 */
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { CorralError } from '@corral/protocol/errors';

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
];

export type Value = SQLInputValue;

/** SQLite's error code for a full disk (sqlite.org/rescode.html). */
const FULL = 13;

export class FrontStore {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #durable = false;

  readonly #makeRoom: () => boolean;

  /**
   * @param folder the data folder, which the run store has already opened and locked
   * @param makeRoom releases reserved disk space, so that operations which stop runs can still be recorded on a full disk
   * @throws CORRAL_DATA_UNUSABLE, CORRAL_DATA_VERSION
   */
  constructor(folder: string, makeRoom: () => boolean = () => false) {
    this.#makeRoom = makeRoom;
    const file = join(folder, 'front.db');
    let db: DatabaseSync;
    try {
      db = new DatabaseSync(file);
      chmodSync(file, 0o600);
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 2000');
    } catch (error) {
      throw new CorralError(
        'CORRAL_DATA_UNUSABLE',
        `${file} cannot be opened: ${error instanceof Error ? error.message : String(error)}.`,
        {
          cause: error,
        },
      );
    }
    const { user_version: found } = db.prepare('PRAGMA user_version').get() as { user_version: number };
    if (found > STEPS.length) {
      db.close();
      throw new CorralError(
        'CORRAL_DATA_VERSION',
        `${file} was written by a newer Corral (format ${found}, this one knows ${STEPS.length}).`,
      );
    }
    if (found < STEPS.length) db.exec(`BEGIN; ${STEPS.slice(found).join('')} PRAGMA user_version = ${STEPS.length}; COMMIT`);
    this.#db = db;
  }

  run(sql: string, ...values: Value[]): { readonly changes: number; readonly last: number } {
    const write = () => this.#statement(sql).run(...values);
    // Within a transaction: the transaction is retried as a whole.
    const { changes, lastInsertRowid } = this.#db.isTransaction ? write() : this.#withRoom(write);
    return { changes: Number(changes), last: Number(lastInsertRowid) };
  }

  get<T>(sql: string, ...values: Value[]): T | undefined {
    return this.#statement(sql).get(...values) as T | undefined;
  }

  all<T>(sql: string, ...values: Value[]): T[] {
    return this.#statement(sql).all(...values) as T[];
  }

  /** Runs `work` in a transaction. */
  together<T>(work: () => T): T {
    return this.#withRoom(() => {
      this.#db.exec('BEGIN IMMEDIATE');
      try {
        const value = work();
        this.#db.exec('COMMIT');
        return value;
      } catch (error) {
        // SQLite has already rolled back if the disk was full.
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw error;
      }
    });
  }

  /** @throws CORRAL_DISK_FULL if there is no space even after the reserve was released */
  #withRoom<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if ((((error as { errcode?: number }).errcode ?? 0) & 0xff) !== FULL) throw error;
      if (this.#makeRoom()) return work();
      throw new CorralError('CORRAL_DISK_FULL', 'There is no space left for front.db.', { cause: error });
    }
  }

  /** Runs `work` in a transaction that is on the disk when the outermost call returns. */
  durably<T>(work: () => T): T {
    if (this.#durable) return work();
    this.#db.exec('PRAGMA synchronous = FULL');
    this.#durable = true;
    try {
      return this.together(work);
    } finally {
      this.#durable = false;
      this.#db.exec('PRAGMA synchronous = NORMAL');
    }
  }

  meta(name: string): string | undefined {
    return this.get<{ value: string }>('SELECT value FROM meta WHERE name = ?', name)?.value;
  }

  setMeta(name: string, value: string): void {
    this.run('INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value', name, value);
  }

  close(): void {
    this.#db.close();
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/** A list's cursor: the number of its last row, encoded so that clients do not depend on it. */
export const cursorOf = (n: number): string => Buffer.from(`n${n}`).toString('base64url');

/** @throws CORRAL_REQUEST_INVALID */
export function rowOf(cursor: string | undefined): number | undefined {
  if (cursor === undefined) return undefined;
  const text = Buffer.from(cursor, 'base64url').toString('latin1');
  const n = /^n(\d{1,15})$/.exec(text)?.[1];
  if (n === undefined) throw new CorralError('CORRAL_REQUEST_INVALID', 'The cursor is not one that a list here gave.');
  return Number(n);
}

/** Escapes text for LIKE … ESCAPE '\'. */
export const literal = (text: string): string => text.replaceAll(/[\\%_]/g, (c) => `\\${c}`);
