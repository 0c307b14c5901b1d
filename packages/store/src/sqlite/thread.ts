/**
 * The two threads of an embedded store. The writer takes what has gathered since the last fsync and commits it as one
 * transaction (group commit): each operation is all or nothing by itself, and durable when it is answered. The reader has
 * its own connection, so that reading a journal never waits for the disk to sync.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import type { DatabaseSync } from 'node:sqlite';
import { CorralError, type ErrorData } from '@corral/protocol/errors';
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

function perform(core: SqliteCore, { op, args }: Request): unknown {
  const method = core[op as keyof SqliteCore] as (...args: unknown[]) => unknown;
  return method.apply(core, [...args]);
}

function refusal({ id }: Request, error: unknown): Answer {
  return { id, error: explain(folder, error).toJSON() };
}

/**
 * One transaction for the whole batch. What an operation refuses by itself it refuses before it writes, so that is answered and
 * the batch goes on. If the database refuses something half way, the batch is done again with a savepoint around each.
 */
function write(db: DatabaseSync, core: SqliteCore, batch: readonly Request[]): Answer[] {
  return transaction(db, core, batch, (request) => {
    try {
      return { id: request.id, value: perform(core, request) };
    } catch (error) {
      if (error instanceof CorralError) return refusal(request, error);
      throw new Halfway();
    }
  });
}

function writeOneByOne(db: DatabaseSync, core: SqliteCore, batch: readonly Request[]): Answer[] {
  return transaction(db, core, batch, (request) => {
    db.exec('SAVEPOINT op');
    try {
      const value = perform(core, request);
      db.exec('RELEASE op');
      return { id: request.id, value };
    } catch (error) {
      db.exec('ROLLBACK TO op; RELEASE op');
      core.doubt();
      return refusal(request, error);
    }
  });
}

/** Something was written and then refused. */
class Halfway extends Error {}

function transaction(db: DatabaseSync, core: SqliteCore, batch: readonly Request[], work: (request: Request) => Answer): Answer[] {
  try {
    db.exec('BEGIN IMMEDIATE');
    const answers = batch.map((request) => work(request));
    db.exec('COMMIT');
    return answers;
  } catch (error) {
    core.doubt();
    try {
      if (db.isTransaction) db.exec('ROLLBACK');
    } catch {
      // SQLite has rolled back by itself.
    }
    if (error instanceof Halfway) return writeOneByOne(db, core, batch);
    // The transaction as a whole failed, a full disk being the usual reason: none of it happened.
    return batch.map((request) => refusal(request, error));
  }
}

function read(core: SqliteCore, request: Request): Answer {
  try {
    return { id: request.id, value: perform(core, request) };
  } catch (error) {
    return refusal(request, error);
  }
}

/** How long the writer waits for company at most, and how much of that for each operation it has lately had together. */
const LINGER_MS = 0.5;
const LINGER_EACH_MS = 0.12;
const ALONE = 1.5;

function serveWriter(): void {
  const { db, lock } = openForWriting(folder);
  const core = new SqliteCore(db);
  const never = new Int32Array(new SharedArrayBuffer(4));
  /** Operations a batch, lately. */
  let company = 1;
  let gathered: Request[] = [];
  const flush = () => {
    // Where many write at once, a moment of patience makes one sync do for more of them. Whoever writes alone never waits.
    if (company > ALONE) Atomics.wait(never, 0, 0, Math.min(LINGER_MS, company * LINGER_EACH_MS));
    for (let more = receiveMessageOnPort(port); more !== undefined; more = receiveMessageOnPort(port))
      gathered.push(more.message as Request);
    const closing = gathered.find(({ op }) => op === 'close');
    const batch = gathered.filter(({ op }) => op !== 'close');
    gathered = [];
    company = company * 0.9 + batch.length * 0.1;
    if (batch.length > 0) port.postMessage(write(db, core, batch));
    if (closing === undefined) return;
    write(db, core, [{ id: closing.id, op: 'retire', args: [] }]);
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
    if (request.op !== 'close') return port.postMessage([read(core, request)]);
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
