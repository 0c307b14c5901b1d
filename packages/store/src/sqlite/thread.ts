/**
 * The two threads of an embedded store. The writer takes what has gathered since the last fsync and commits it as one transaction
 * (group commit): each operation is atomic by itself, and durable when it is answered. The reader has its own connection, so that
 * reading a journal never waits for a sync.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import type { DatabaseSync } from 'node:sqlite';
import { CorralError } from '@corral/protocol/errors';
import { backupTo } from './backup.ts';
import { MACHINE } from '@corral/protocol/limits';
import { Stale } from '../core/prepared.ts';
import type { Act } from '../core/store.ts';
import type { Answer, Request } from '../thread-calls.ts';
import { SqliteCore } from './core.ts';
import { explain, openForReading, openForWriting, type StoreOptions } from './open.ts';
import { mayUseReserve, Room } from './room.ts';

export interface ThreadData {
  readonly folder: string;
  readonly mode: 'write' | 'read';
  readonly options: StoreOptions;
}
/** Unrequested messages of the writer: whether the disk is full. */
export interface Told {
  readonly full: boolean;
}

const port = parentPort as MessagePort;
const { folder, mode, options } = workerData as ThreadData;

/** A request, with its size if known: a commit is sent as text, and those for which nobody waits as a list of texts. */
interface Sized extends Request {
  readonly bytes?: number;
}

const requestsOf = (message: unknown): readonly Sized[] => {
  if (Array.isArray(message)) return message.flatMap((text) => requestsOf(text));
  return [typeof message === 'string' ? { ...(JSON.parse(message) as Request), bytes: message.length } : (message as Request)];
};

function perform(core: SqliteCore, { op, args }: Request): unknown {
  const method = core[op as keyof SqliteCore] as (...args: unknown[]) => unknown;
  return method.apply(core, [...args]);
}

function refusal({ id }: Request, error: unknown): Answer {
  return { id, error: explain(folder, error).toJSON() };
}

/**
 * Commits the whole batch as one transaction; it is prepared before that begins. An operation that refuses its input does so before it
 * writes; it is answered with the error, and the batch goes on. If what an operation was prepared on has changed meanwhile, the batch
 * ends before it, and the rest is a batch of its own. If the database refuses a statement half way, the batch is repeated with a savepoint
 * around each operation; if it refuses the transaction as a whole, as a full disk does, with one transaction for each, so that those that
 * still fit are committed.
 */
function write(db: DatabaseSync, core: SqliteCore, batch: readonly Request[]): Answer[] {
  const work = (act: Act) => {
    try {
      return act();
    } catch (error) {
      if (error instanceof CorralError || error instanceof Stale) throw error;
      throw new Halfway('', { cause: error });
    }
  };
  return transaction(db, core, batch, work, write, () => writeOneByOne(db, core, batch));
}

function writeOneByOne(db: DatabaseSync, core: SqliteCore, batch: readonly Request[]): Answer[] {
  const work = (act: Act) => {
    db.exec('SAVEPOINT op');
    try {
      const value = act();
      db.exec('RELEASE op');
      return value;
    } catch (error) {
      // A full disk can end the whole transaction; then there is no savepoint to roll back to.
      if (!db.isTransaction) throw new Halfway('', { cause: error });
      db.exec('ROLLBACK TO op; RELEASE op');
      core.doubt();
      throw error;
    }
  };
  return transaction(db, core, batch, work, writeOneByOne, () => batch.flatMap((request) => writeOneByOne(db, core, [request])));
}

/**
 * Stores large payloads before the batch that names them. Without a sync of its own: the write-ahead log keeps the order, so the sync of the
 * batch makes them durable too.
 */
function putPayloads(db: DatabaseSync, core: SqliteCore): void {
  db.exec('PRAGMA synchronous = NORMAL');
  try {
    db.exec('BEGIN IMMEDIATE');
    core.putPayloads();
    db.exec('COMMIT');
  } finally {
    // The setting cannot be changed within a transaction.
    if (db.isTransaction) db.exec('ROLLBACK');
    db.exec('PRAGMA synchronous = FULL');
  }
}

/** An operation was refused after it had written something. */
class Halfway extends Error {}

function transaction(
  db: DatabaseSync,
  core: SqliteCore,
  batch: readonly Request[],
  work: (act: Act) => unknown,
  rest: typeof write,
  otherwise: () => Answer[],
): Answer[] {
  const acts = core.prepared(batch);
  const answers: Answer[] = [];
  try {
    if (core.needsPayloads) putPayloads(db, core);
    db.exec('BEGIN IMMEDIATE');
    for (const [i, act] of acts.entries()) {
      const request = batch[i] as Request;
      try {
        answers.push({ id: request.id, value: work(act) });
      } catch (error) {
        if (error instanceof Stale) break;
        if (error instanceof Halfway) throw error;
        answers.push(refusal(request, error));
      }
    }
    db.exec('COMMIT');
  } catch (error) {
    core.doubt();
    try {
      if (db.isTransaction) db.exec('ROLLBACK');
    } catch {
      // SQLite has rolled back by itself.
    }
    const cause = error instanceof Halfway ? error.cause : error;
    // The whole batch was rolled back.
    if (batch.length > 1 && (error instanceof Halfway || explain(folder, cause).code === 'CORRAL_DISK_FULL')) return otherwise();
    return batch.map((request) => refusal(request, cause));
  }
  if (answers.length === batch.length) return answers;
  core.doubt();
  return [...answers, ...rest(db, core, batch.slice(answers.length))];
}

async function read(core: SqliteCore, request: Request): Promise<Answer> {
  try {
    // The only operation on the folder instead of on one database.
    if (request.op === 'backup') return { id: request.id, value: await backupTo(folder, ...(request.args as [string, number])) };
    return { id: request.id, value: perform(core, request) };
  } catch (error) {
    return refusal(request, error);
  }
}

const isFull = (answer: Answer | undefined): boolean =>
  answer !== undefined && 'error' in answer && answer.error.code === 'CORRAL_DISK_FULL';

/**
 * Writes a batch within the space there is. Operations that stop runs or free space may use the reserve: if the disk has no space
 * for them, the reserve is freed; until it is restored, ordinary work is refused without being tried, so that it cannot use up
 * that space.
 */
function writeWithin(room: Room, db: DatabaseSync, core: SqliteCore, batch: readonly Sized[]): Answer[] {
  const ordinary = room.admits();
  const tried = ordinary ? batch : batch.filter((request) => stops(request));
  const first = write(db, core, tried);
  if (ordinary && !first.some((answer) => isFull(answer))) return first;
  const answers = new Map(first.map((answer) => [answer.id, answer]));
  const refused = tried.filter(({ id }) => isFull(answers.get(id)));
  for (const request of refused) room.refused(bytesOf(request));
  const again = refused.filter((request) => stops(request));
  if (again.length > 0 && room.release()) for (const answer of writeOneByOne(db, core, again)) answers.set(answer.id, answer);
  // The write-ahead log must not grow while space is short.
  if (room.released) emptyLog(db);
  const none = new CorralError('CORRAL_DISK_FULL', `There is no space left for ${folder}; the reserve is only for stopping runs.`);
  return batch.map(({ id }) => answers.get(id) ?? { id, error: none.toJSON() });
}

const bytesOf = ({ bytes, args }: Sized): number => bytes ?? JSON.stringify(args).length;
const stops = (request: Sized): boolean => mayUseReserve(request.op, request.args, bytesOf(request));

/** How often the writer measures the free space. */
const LOOK_MS = 1_000;

/** How long the writer waits for further operations at most, and how much of that for each operation that recent batches had. */
const LINGER_MS = 0.5;
const LINGER_EACH_MS = 0.12;
const ALONE = 1.5;

/** Moves the write-ahead log into the database and truncates it; false if a reader still uses it: then it must be tried again. */
function emptyLog(db: DatabaseSync): boolean {
  try {
    return (db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number }).busy === 0;
  } catch {
    return false;
  }
}

/** Pause between two steps of the log when it is far behind, so that commits are not delayed. */
const LOG_PAUSE_MS = 5;
const LOG_STEPS_AT_CLOSE = 50;

function serveWriter(): void {
  const { db, lock, keys } = openForWriting(folder, options);
  const core = new SqliteCore(db, keys, folder);
  const room = new Room(db, folder, options, (full) => port.postMessage({ full } satisfies Told));
  let sweeping: NodeJS.Timeout | undefined;
  const sweep = (all: boolean): ReturnType<SqliteCore['sequence']> => {
    // The reserve on a full disk is only for stopping runs; the log catches up once there is space.
    if (!room.admits()) return 'done';
    const [answer] = write(db, core, [{ id: -1, op: 'sequence', args: [Date.now(), all] }]);
    return answer !== undefined && 'value' in answer ? (answer.value as ReturnType<SqliteCore['sequence']>) : 'done';
  };
  /** Commits are appended to the log a moment later, off the path of their answer. */
  const arm = (ms: number) => {
    sweeping ??= setTimeout(() => {
      sweeping = undefined;
      const after = sweep(false);
      if (after !== 'done') arm(after === 'more' ? LOG_PAUSE_MS : MACHINE.log_sweep_ms.default);
    }, ms);
  };
  /** Something was deleted, and an old page of it may still be in the write-ahead log. */
  let traces = false;
  const never = new Int32Array(new SharedArrayBuffer(4));
  /** Moving average of messages in a batch. */
  let company = 1;
  let gathered: Sized[] = [];
  /** Messages that these came in; none while no batch is due. */
  let messages = 0;
  const flush = () => {
    // With many writers, a short wait lets one sync serve more of them. A single writer never waits.
    if (company > ALONE) Atomics.wait(never, 0, 0, Math.min(LINGER_MS, company * LINGER_EACH_MS));
    for (let more = receiveMessageOnPort(port); more !== undefined; more = receiveMessageOnPort(port)) {
      gathered.push(...requestsOf(more.message));
      messages += 1;
    }
    company = company * 0.9 + messages * 0.1;
    messages = 0;
    const closing = gathered.find(({ op }) => op === 'close');
    if (gathered.some(({ op }) => op === 'makeRoom')) room.release();
    const batch = gathered.filter(({ op }) => op !== 'close' && op !== 'makeRoom');
    gathered = [];
    if (batch.length > 0) {
      const answers = writeWithin(room, db, core, batch);
      traces ||= batch.some(({ op }) => op === 'erase' || op === 'gcStep');
      if (traces) traces = !emptyLog(db);
      port.postMessage(answers);
      arm(MACHINE.log_sweep_ms.default);
    }
    if (closing === undefined) return;
    writeWithin(room, db, core, [{ id: closing.id, op: 'retire', args: [] }]);
    clearInterval(looking);
    clearTimeout(sweeping);
    // A large folder from before the log existed may not be caught up with at close; the next start goes on.
    for (let steps = 0; steps < LOG_STEPS_AT_CLOSE && sweep(true) !== 'done';) steps += 1;
    core.close();
    db.close();
    lock.close();
    port.postMessage([{ id: closing.id, value: undefined }] satisfies Answer[]);
    port.close();
  };
  port.on('message', (message: unknown) => {
    gathered.push(...requestsOf(message));
    messages += 1;
    if (messages === 1) setImmediate(flush);
  });
  // Started late: short-lived commands end before this and need no reserve.
  const looking = setInterval(() => room.prepare(), LOOK_MS).unref();
  port.postMessage(writeWithin(room, db, core, [{ id: 0, op: 'nextEra', args: [] }]));
  arm(0);
}

function serveReader(): void {
  const { db, keys } = openForReading(folder, options);
  const core = new SqliteCore(db, keys, folder);
  port.on('message', (request: Request) => {
    if (request.op !== 'close') return void read(core, request).then((answer) => port.postMessage([answer]));
    core.close();
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
