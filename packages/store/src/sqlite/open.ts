/** Opens the database of a data folder, with an explanation if that fails. */
import { mkdirSync, readdirSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { CorralError } from '@corral/protocol/errors';
import { type KeySource, type MasterKeys, openKeyRing } from '../core/keys.ts';
import { BUSY, CANTOPEN, CORRUPT, FULL, IOERR, LOCKED, NOTADB, READONLY } from './codes.ts';
import { freeReserve } from './room.ts';
import { migrate, mustBeCurrent } from './schema.ts';

/** Disk space that SQLite needs to open the database. */
const OPENING_BYTES = 256 * 1024;
/** Larger databases are not checked completely at every start; damage then shows when it is read. */
const CHECK_BYTES = 64 * 1024 * 1024;

export interface StoreOptions {
  /** Source of the keys; undefined: a file in the data folder, created on first use. */
  readonly keys?: KeySource;
  /**
   * How long journals of ended runs are kept before `gc` deletes them, by tenant. Milliseconds. A tenant without an entry keeps
   * them.
   */
  readonly retention_ms?: Readonly<Record<string, number>>;
  /** Largest size of the database. Beyond it, work is refused as on a full disk. Undefined: only the disk limits it. */
  readonly max_bytes?: number;
}

export interface OpenDatabase {
  readonly db: DatabaseSync;
  readonly keys: MasterKeys;
  readonly lock: DatabaseSync;
}

/** The file by which Git ignores a data folder. */
export const IGNORING = '.gitignore';
/** The data folder of hosts for which none is named. */
const DEFAULT_NAME = '.corral';

/**
 * Keeps the keys and the journals of a data folder within a repository out of Git. A folder in which there are other files may be the
 * repository itself, so nothing is written there.
 */
function hide(folder: string): void {
  try {
    if (basename(resolve(folder)) === DEFAULT_NAME || readdirSync(folder).length === 0)
      writeFileSync(join(folder, IGNORING), '*\n', { flag: 'wx' });
  } catch {
    // It is there, or the disk is full, on which a host must start as well.
  }
}

/**
 * Opens for writing. The lock is a second, empty database in an exclusive transaction: the operating system releases it when the
 * process ends, in whatever way.
 * @throws CORRAL_DATA_LOCKED, CORRAL_DATA_UNUSABLE, CORRAL_DATA_CORRUPT, CORRAL_DATA_VERSION, CORRAL_DISK_FULL,
 * CORRAL_KEYS_MISSING, CORRAL_KEYS_WRONG
 */
export function openForWriting(folder: string, options: StoreOptions): OpenDatabase {
  return explained(folder, () => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    hide(folder);
    // A host must be able to start on a full disk, so that the runs that filled it can be stopped.
    const { bavail, bsize } = statfsSync(folder);
    if (bavail * bsize < OPENING_BYTES) freeReserve(folder);
    const lock = new DatabaseSync(join(folder, 'lock.db'));
    try {
      lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
      const db = new DatabaseSync(join(folder, 'corral.db'));
      try {
        db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON');
        const { size } = db.prepare('SELECT page_count * page_size AS size FROM pragma_page_count(), pragma_page_size()').get() as {
          size: number;
        };
        if (size <= CHECK_BYTES) {
          const { quick_check: verdict } = db.prepare('PRAGMA quick_check(1)').get() as { quick_check: string };
          if (verdict !== 'ok')
            throw new CorralError('CORRAL_DATA_CORRUPT', `The database in ${folder} is damaged: ${verdict.split('\n').join(' ')}.`);
        }
        limit(db, options);
        migrate(db);
        return { db, lock, keys: provedKeys(db, folder, options, true) };
      } catch (error) {
        db.close();
        throw error;
      }
    } catch (error) {
      lock.close();
      throw error;
    }
  });
}

/**
 * Opens a connection for reading. It takes no lock, so it works while a host runs and on a read-only copy.
 * @throws CORRAL_DATA_UNUSABLE, CORRAL_DATA_CORRUPT, CORRAL_DATA_VERSION, CORRAL_KEYS_MISSING, CORRAL_KEYS_WRONG
 */
export function openForReading(folder: string, options: StoreOptions): { db: DatabaseSync; keys: MasterKeys } {
  return explained(folder, () => {
    const db = readingConnection(join(folder, 'corral.db'));
    try {
      mustBeCurrent(db);
      return { db, keys: provedKeys(db, folder, options, false) };
    } catch (error) {
      db.close();
      throw error;
    }
  });
}

/**
 * Opens a database that may be read-only. SQLite needs an index of the write-ahead log in the same folder; if that cannot be
 * created, only a database without a write-ahead log can be read completely.
 */
export function readingConnection(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    db.prepare('SELECT count(*) FROM sqlite_schema').get();
    return db;
  } catch (error) {
    db.close();
    const code = ((error as { errcode?: number }).errcode ?? 0) & 0xff;
    if (code !== CANTOPEN && code !== READONLY) throw error;
    if ((statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0)
      throw new CorralError(
        'CORRAL_DATA_UNUSABLE',
        `${path} has a write-ahead log, which cannot be read in a read-only folder; copy the folder to a writable place.`,
        { cause: error },
      );
    const url = pathToFileURL(path);
    url.searchParams.set('immutable', '1');
    return new DatabaseSync(url, { readOnly: true });
  }
}

function limit(db: DatabaseSync, { max_bytes }: StoreOptions): void {
  if (max_bytes === undefined) return;
  const { page_size } = db.prepare('PRAGMA page_size').get() as { page_size: number };
  db.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(max_bytes / page_size))}`);
}

/**
 * Opens the key ring and checks that this folder was written with it: a wrong key is refused now rather than found unreadable
 * later.
 * @param note whether new versions of the key are recorded
 */
function provedKeys(db: DatabaseSync, folder: string, { keys = { kind: 'file' } }: StoreOptions, note: boolean): MasterKeys {
  const known = db.prepare("SELECT name, value FROM meta WHERE name LIKE 'key.%'").all() as unknown as { name: string; value: string }[];
  const ring = openKeyRing(folder, keys, note && known.length === 0);
  const offered = ring.fingerprints();
  for (const { name, value } of known) {
    const version = Number(name.slice('key.'.length));
    const fingerprint = offered.get(version);
    if (fingerprint === undefined)
      throw new CorralError(
        'CORRAL_KEYS_MISSING',
        `The data in ${folder} needs version ${version} of the master key, which was not given.`,
      );
    if (fingerprint !== value)
      throw new CorralError(
        'CORRAL_KEYS_WRONG',
        `Version ${version} of the master key is not the one that the data in ${folder} was sealed with.`,
      );
  }
  if (note) {
    const insert = db.prepare('INSERT OR IGNORE INTO meta (name, value) VALUES (?, ?)');
    for (const [version, fingerprint] of offered) insert.run(`key.${version}`, fingerprint);
  }
  return ring;
}

/** Turns errors of SQLite and the file system into errors of Corral. */
export function explain(folder: string, error: unknown): CorralError {
  if (error instanceof CorralError) return error;
  const { code, errcode, message } = error as { code?: string; errcode?: number; message?: string };
  const options = { cause: error };
  const said = message ?? String(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') return new CorralError('CORRAL_DISK_FULL', `There is no space left for ${folder}.`, options);
  if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM' || code === 'ENOTDIR' || code === 'EEXIST' || code === 'ENOENT') {
    return new CorralError('CORRAL_DATA_UNUSABLE', `The data folder ${folder} cannot be used: ${said}.`, options);
  }
  switch (errcode === undefined ? undefined : errcode & 0xff) {
    case BUSY:
    case LOCKED:
      return new CorralError('CORRAL_DATA_LOCKED', `Another Corral is running on ${folder}.`, options);
    case FULL:
      return new CorralError('CORRAL_DISK_FULL', `There is no space left for ${folder}.`, options);
    case CORRUPT:
    case NOTADB:
      return new CorralError('CORRAL_DATA_CORRUPT', `The database in ${folder} is damaged: ${said}.`, options);
    case READONLY:
    case CANTOPEN:
    case IOERR:
      return new CorralError('CORRAL_DATA_UNUSABLE', `The data folder ${folder} cannot be written to: ${said}.`, options);
    default:
      return new CorralError('CORRAL_INTERNAL', `The store failed: ${said}.`, options);
  }
}

function explained<T>(folder: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw explain(folder, error);
  }
}
