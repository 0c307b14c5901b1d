/**
 * The two threads of an embedded store. The writer takes what has gathered since the last fsync and commits it as one
 * transaction (group commit): each operation is all or nothing by itself, and durable when it is answered. The reader has
 * its own connection, so that reading a journal never waits for the disk to sync.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import type { DatabaseSync } from 'node:sqlite';
import type { ErrorData } from '@corral/protocol/errors';
import { SqliteCore } from './core.ts';
import { explain, openForReading, openForWriting } from './open.ts';

export interface ThreadData {
  readonly folder: string;
  readonly mode: 'write' | 'read';
}
export interface Request {
  readonly id: number;
  /** A method of SqliteCore; `close` ends the thread. */
  readonly op: string;
  readonly args: readonly unknown[];
}
export type Answer = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: ErrorData };

const port = parentPort as MessagePort;
const { folder, mode } = workerData as ThreadData;

function perform(core: SqliteCore, { id, op, args }: Request): Answer {
  try {
    const method = core[op as keyof SqliteCore] as (...args: unknown[]) => unknown;
    return { id, value: method.apply(core, [...args]) };
  } catch (error) {
    return { id, error: explain(folder, error).toJSON() };
  }
}

function write(db: DatabaseSync, core: SqliteCore, batch: readonly Request[]): Answer[] {
  const answers: Answer[] = [];
  try {
    db.exec('BEGIN IMMEDIATE');
    for (const request of batch) {
      db.exec('SAVEPOINT op');
      const answer = perform(core, request);
      db.exec('error' in answer ? 'ROLLBACK TO op; RELEASE op' : 'RELEASE op');
      answers.push(answer);
    }
    db.exec('COMMIT');
    return answers;
  } catch (error) {
    // The transaction as a whole failed, a full disk being the usual reason: none of it happened.
    try {
      if (db.isTransaction) db.exec('ROLLBACK');
    } catch {
      // SQLite has rolled back by itself.
    }
    const data = explain(folder, error).toJSON();
    return batch.map(({ id }) => ({ id, error: data }));
  }
}

function serveWriter(): void {
  const { db, lock } = openForWriting(folder);
  const core = new SqliteCore(db);
  let gathered: Request[] = [];
  const flush = () => {
    const closing = gathered.find(({ op }) => op === 'close');
    const batch = gathered.filter(({ op }) => op !== 'close');
    gathered = [];
    if (batch.length > 0) port.postMessage(write(db, core, batch));
    if (closing === undefined) return;
    db.close();
    lock.close();
    port.postMessage([{ id: closing.id, value: undefined }] satisfies Answer[]);
    port.close();
  };
  port.on('message', (request: Request) => {
    if (gathered.push(request) === 1) setImmediate(flush);
  });
  port.postMessage(write(db, core, [{ id: 0, op: 'nextEra', args: [] }]));
}

function serveReader(): void {
  const db = openForReading(folder);
  const core = new SqliteCore(db);
  port.on('message', (request: Request) => {
    if (request.op !== 'close') return port.postMessage([perform(core, request)]);
    db.close();
    port.postMessage([{ id: request.id, value: undefined }] satisfies Answer[]);
    port.close();
  });
  port.postMessage([{ id: 0, value: undefined }] satisfies Answer[]);
}

try {
  if (mode === 'write') serveWriter();
  else serveReader();
} catch (error) {
  port.postMessage([{ id: 0, error: explain(folder, error).toJSON() }] satisfies Answer[]);
  port.close();
}
