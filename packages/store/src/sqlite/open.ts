/** Opens the database of a data folder, and says plainly what is wrong where that fails. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CorralError } from '@corral/protocol/errors';
import { migrate } from './schema.ts';

/** Larger databases are not read through at every start; damage then shows when it is met. */
const CHECK_BYTES = 64 * 1024 * 1024;

export interface OpenDatabase {
  readonly db: DatabaseSync;
  readonly lock: DatabaseSync;
}

/**
 * Opens for writing. The lock is a second, empty database in an exclusive transaction: the operating system drops it with
 * the process, however that ends.
 * @throws CORRAL_DATA_LOCKED, CORRAL_DATA_UNUSABLE, CORRAL_DATA_CORRUPT, CORRAL_DATA_VERSION, CORRAL_DISK_FULL
 */
export function openForWriting(folder: string): OpenDatabase {
  return explained(folder, () => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const lock = new DatabaseSync(join(folder, 'lock.db'));
    try {
      lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
      const db = new DatabaseSync(join(folder, 'corral.db'));
      try {
        db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
        const { size } = db.prepare('SELECT page_count * page_size AS size FROM pragma_page_count(), pragma_page_size()').get() as {
          size: number;
        };
        if (size <= CHECK_BYTES) {
          const { quick_check: verdict } = db.prepare('PRAGMA quick_check(1)').get() as { quick_check: string };
          if (verdict !== 'ok')
            throw new CorralError('CORRAL_DATA_CORRUPT', `The database in ${folder} is damaged: ${verdict.split('\n').join(' ')}.`);
        }
        migrate(db);
        return { db, lock };
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

/** Opens a second connection that only reads; the writer must have opened the folder before. */
export function openForReading(folder: string): DatabaseSync {
  return explained(folder, () => new DatabaseSync(join(folder, 'corral.db'), { readOnly: true }));
}

/** Result codes of SQLite (sqlite.org/rescode.html), their primary part. */
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

/** Turns what SQLite and the file system say into our errors. */
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
