/** The tables of `memory.db`, and the migrations that lead to them. A released step is never changed. */
import type { DatabaseSync } from 'node:sqlite';
import { migrateBy } from '../core/migrate.ts';

export const STEPS: readonly string[] = [
  `
  -- key: of the space, wrapped by that version of the tenant's. seq: the last version that an entry of it had; none is used twice.
  CREATE TABLE spaces (
    n INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, memory TEXT NOT NULL, kind TEXT NOT NULL, owner TEXT NOT NULL, key_version INTEGER NOT NULL,
    key BLOB NOT NULL, seq INTEGER NOT NULL DEFAULT 0, entries INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
    at INTEGER NOT NULL, UNIQUE (tenant, memory, kind, owner)) STRICT;
  -- Sums of the rows above.
  CREATE TABLE tenants (tenant TEXT PRIMARY KEY, entries INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  -- head: label and writers; body: the value. Both are sealed under the key of the space. bytes: what the entry counts for.
  CREATE TABLE entries (
    n INTEGER PRIMARY KEY, space INTEGER NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, head BLOB NOT NULL, body BLOB NOT NULL,
    bytes INTEGER NOT NULL, at INTEGER NOT NULL, expires_at INTEGER, UNIQUE (space, name)) STRICT;
  CREATE INDEX entries_expire ON entries (expires_at) WHERE expires_at IS NOT NULL;
  CREATE INDEX entries_latest ON entries (space, version);
  CREATE TABLE writers (entry INTEGER NOT NULL, run TEXT NOT NULL, PRIMARY KEY (entry, run)) STRICT, WITHOUT ROWID;
  CREATE INDEX writers_run ON writers (run);
  -- The answers to writes, by their calls, for as long as a call may be made again.
  CREATE TABLE calls (run TEXT NOT NULL, call INTEGER NOT NULL, answer TEXT NOT NULL, PRIMARY KEY (run, call)) STRICT, WITHOUT ROWID;
  -- Keyed hashes of words, without the words.
  CREATE VIRTUAL TABLE words USING fts5(hashes, content='', contentless_delete=1, tokenize='ascii');
  `,
  `
  -- An index without its content only marks what is deleted, and has the hashes until its parts are merged. With the content at hand, and
  -- secure-delete, they leave it with the entry: https://sqlite.org/fts5.html#the_secure_delete_configuration_option
  CREATE TABLE hashed (entry INTEGER PRIMARY KEY, hashes TEXT NOT NULL) STRICT;
  CREATE VIRTUAL TABLE words_had USING fts5vocab('words', 'instance');
  INSERT INTO hashed SELECT doc, group_concat(term, ' ' ORDER BY "offset") FROM words_had WHERE doc IN (SELECT n FROM entries) GROUP BY doc;
  DROP TABLE words_had;
  DROP TABLE words;
  CREATE VIRTUAL TABLE words USING fts5(hashes, content='hashed', content_rowid='entry', tokenize='ascii');
  INSERT INTO words (words, rank) VALUES ('secure-delete', 1);
  INSERT INTO words (words) VALUES ('rebuild');
  `,
];

/** @throws CORRAL_DATA_VERSION if a newer Corral wrote them */
export const migrate = (db: DatabaseSync): void => migrateBy(STEPS, db, 'memory.db');
