/**
 * The front door's own tables, in `front.db` in the data folder: deployed agents, aliases, tokens, schedules, records of acts,
 * queued notifications. Runs live in the store; the table of runs here is only an index for lists, built again from the store if
 * Corral did not stop in order.
 *
 * Written on the host's event loop: in WAL mode with synchronous=NORMAL a commit does not wait for the disk. Rare writes that
 * must survive a power failure (a revoked token, a moved alias) go through `durably`, which waits.
 */
import { chmodSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { CorralError } from '@corral/protocol/errors';
import { migrateBy } from '../core/migrate.ts';
import { STEPS } from './schema.ts';

export type Value = SQLInputValue;

/** SQLite's error code for a full disk (sqlite.org/rescode.html). */
const FULL = 13;

/** A connection that reads. */
export type Reading = Pick<FrontDatabase, 'get' | 'all'>;

/** One connection with SQL; only the tables beside this file use it. */
export class FrontDatabase {
  readonly #db: DatabaseSync;
  #statements: Statements | undefined;
  #durable = false;

  readonly #makeRoom: () => boolean;

  /**
   * @param folder the data folder, which the run store has already opened and locked
   * @param makeRoom releases reserved disk space, so that operations which stop runs can still be recorded on a full disk
   * @throws CORRAL_DATA_UNUSABLE, CORRAL_DATA_VERSION
   */
  constructor(folder: string, makeRoom: () => boolean = () => false) {
    this.#makeRoom = makeRoom;
    this.#db = opened(folder, false, (db, file) => {
      chmodSync(file, 0o600);
      db.exec(
        'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = FAST; PRAGMA busy_timeout = 2000',
      );
    });
    try {
      migrateBy(STEPS, this.#db, 'front.db');
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /**
   * A connection that only reads, for a host that has the tables open for writing. The tables of the run store are there too, as `store`.
   * @throws CORRAL_DATA_UNUSABLE
   */
  static reading(folder: string): Reading & Pick<FrontDatabase, 'close'> {
    const db = opened(folder, true, (one) => {
      one.exec('PRAGMA busy_timeout = 2000; PRAGMA cache_size = -32768');
      const store = join(folder, 'corral.db');
      if (existsSync(store)) one.prepare('ATTACH ? AS store').run(store);
    });
    const statements = new Statements(db);
    return {
      get: <T>(sql: string, ...values: Value[]) => statements.of(sql).get(...values) as T | undefined,
      all: <T>(sql: string, ...values: Value[]) => statements.of(sql).all(...values) as T[],
      close: () => db.close(),
    };
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

  /** Runs `work` in a transaction. @param reserved whether it may use the reserved space of the disk */
  together<T>(work: () => T, reserved = true): T {
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
    }, reserved);
  }

  /** @throws CORRAL_DISK_FULL if there is no space even after the reserve was released */
  #withRoom<T>(work: () => T, reserved = true): T {
    try {
      return work();
    } catch (error) {
      if ((((error as { errcode?: number }).errcode ?? 0) & 0xff) !== FULL) throw error;
      if (reserved && this.#makeRoom()) return work();
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
    this.#statements ??= new Statements(this.#db);
    return this.#statements.of(sql);
  }
}

/** Statements that a connection keeps prepared. */
const STATEMENTS = 200;

/** The prepared statements of a connection. */
class Statements {
  readonly #db: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  of(sql: string): StatementSync {
    const known = this.#prepared.get(sql);
    const statement = known ?? this.#db.prepare(sql);
    // Searches have many texts: the one that was used longest ago makes room.
    if (known !== undefined) this.#prepared.delete(sql);
    else if (this.#prepared.size >= STATEMENTS) this.#prepared.delete(this.#prepared.keys().next().value as string);
    this.#prepared.set(sql, statement);
    return statement;
  }
}

/** @throws CORRAL_DATA_UNUSABLE */
function opened(folder: string, readOnly: boolean, begin: (db: DatabaseSync, file: string) => void): DatabaseSync {
  const file = join(folder, 'front.db');
  try {
    const db = new DatabaseSync(file, { readOnly });
    begin(db, file);
    return db;
  } catch (error) {
    throw new CorralError('CORRAL_DATA_UNUSABLE', `${file} cannot be opened: ${error instanceof Error ? error.message : String(error)}.`, {
      cause: error,
    });
  }
}

/** Escapes text for LIKE … ESCAPE '\'. */
export const literal = (text: string): string => text.replaceAll(/[\\%_]/g, (c) => `\\${c}`);
