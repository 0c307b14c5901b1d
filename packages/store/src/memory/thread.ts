/**
 * The thread of `memory.db`: one connection that reads and writes. All requests since the last sync are one transaction, with a savepoint
 * around each, so that many agents share a sync and a request that is refused has written nothing.
 */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';
import { CorralError } from '@corral/protocol/errors';
import { openKeyRing, type KeySource } from '../core/keys.ts';
import { explain } from '../sqlite/open.ts';
import type { Answer, Request } from '../thread-calls.ts';
import { Entries } from './entries.ts';
import { Operations } from './operate.ts';
import { migrate } from './schema.ts';
import { Tables } from './tables.ts';

export interface MemoryThreadData {
  readonly folder: string;
  readonly keys: KeySource;
}

/** Requests of the thread, by name. */
export type Served = Pick<Entries, 'get' | 'put' | 'remove' | 'list' | 'recall'> & Operations;

const port = parentPort as MessagePort;
const { folder, keys } = workerData as MemoryThreadData;

/** How long a statement waits for another connection to the database. */
const BUSY_MS = 2_000;

function opened(): DatabaseSync {
  const db = new DatabaseSync(join(folder, 'memory.db'));
  try {
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON');
    db.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
    migrate(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

const failure = (error: unknown): CorralError =>
  error instanceof CorralError ? error : new CorralError('CORRAL_MEMORY_UNAVAILABLE', explain(folder, error).message, { cause: error });

/** Empties the write-ahead log, which has pages as they were before a removal. @returns false while another connection reads from it */
function truncated(db: DatabaseSync, { id }: Request): Answer {
  try {
    // The thread does not stand still for a backup; the request is made again.
    db.exec('PRAGMA busy_timeout = 0');
    return { id, value: (db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number }).busy === 0 };
  } catch (error) {
    return { id, error: failure(error).toJSON() };
  } finally {
    db.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
  }
}

function serve(): void {
  const db = opened();
  const tables = new Tables(db, openKeyRing(folder, keys, false));
  const now = () => Date.now();
  const entries = new Entries(tables, now);
  const operations = new Operations(tables, entries, now);

  const perform = ({ op, args }: Request): unknown => {
    const of = (op in entries ? entries : operations) as unknown as Record<string, (...args: readonly unknown[]) => unknown>;
    return (of[op] as (...args: readonly unknown[]) => unknown).apply(of, [...args]);
  };

  const one = (request: Request): Answer => {
    db.exec('SAVEPOINT one');
    try {
      const value = perform(request);
      db.exec('RELEASE one');
      return { id: request.id, value };
    } catch (error) {
      // A full disk ends the whole transaction: there is no savepoint left.
      if (!db.isTransaction) throw error;
      db.exec('ROLLBACK TO one; RELEASE one');
      tables.doubt();
      return { id: request.id, error: failure(error).toJSON() };
    }
  };

  /** A batch that fails as a whole is done again one by one, so that those that fit are done. */
  const all = (batch: readonly Request[]): Answer[] => {
    try {
      db.exec('BEGIN IMMEDIATE');
      const answers = batch.map((request) => one(request));
      db.exec('COMMIT');
      return answers;
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK');
      tables.doubt();
      if (batch.length > 1) return batch.flatMap((request) => all([request]));
      return batch.map(({ id }) => ({ id, error: failure(error).toJSON() }));
    }
  };

  let gathered: Request[] = [];
  const flush = () => {
    for (let more = receiveMessageOnPort(port); more !== undefined; more = receiveMessageOnPort(port))
      gathered.push(more.message as Request);
    const closing = gathered.find(({ op }) => op === 'close');
    const batch = gathered.filter(({ op }) => op !== 'close' && op !== 'truncate');
    const truncating = gathered.filter(({ op }) => op === 'truncate');
    gathered = [];
    if (batch.length > 0) port.postMessage(all(batch));
    if (truncating.length > 0) port.postMessage(truncating.map((request) => truncated(db, request)));
    if (closing === undefined) return;
    db.close();
    port.postMessage([{ id: closing.id, value: undefined }] satisfies Answer[]);
    port.close();
  };
  port.on('message', (message: Request) => {
    if (gathered.push(message) === 1) setImmediate(flush);
  });
  port.postMessage([{ id: 0, value: undefined }] satisfies Answer[]);
}

try {
  serve();
} catch (error) {
  port.postMessage([{ id: 0, error: failure(error).toJSON() }] satisfies Answer[]);
  port.close();
}
