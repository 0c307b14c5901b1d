/**
 * The store of a data folder: the operations of the port over SQLite's tables, and those that concern the folder as a whole. The writer
 * thread runs them in batches; the simulator runs them directly.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { RunId } from '@corral/protocol/ids';
import type { LogHead, LogVerification } from '@corral/protocol/model/log';
import type { KeyRing } from '@corral/protocol/ports/machine';
import type { Erased, Freed } from '@corral/protocol/ports/evidence';
import { StoreCore } from '../core/store.ts';
import { sqliteEngine } from './engine.ts';
import { collect, type Collected, collectable, erasable, eraseRun, type Wanted } from './gc.ts';
import { checkLog, type CheckWanted } from './log-check.ts';
import { FrontTables } from './log-front.ts';
import { Log } from './log.ts';
import { Sql } from './sql.ts';
import { type Asked, verifyStep, type Verified } from './verify.ts';

export class SqliteCore extends StoreCore {
  readonly #sql: Sql;
  readonly #log: Log;
  readonly #front: FrontTables | undefined;

  /**
   * @param folder which may have tables of a front door that the log follows
   * @param clock by which leases run. Milliseconds since 1970
   */
  constructor(db: DatabaseSync, keys: KeyRing, folder?: string, clock: () => number = Date.now) {
    const sql = new Sql(db);
    const front = folder === undefined ? undefined : new FrontTables(folder);
    const log = new Log(sql, front);
    super(sqliteEngine(sql, log), keys, clock);
    this.#sql = sql;
    this.#log = log;
    this.#front = front;
  }

  override doubt(): void {
    super.doubt();
    this.#log.doubt();
  }

  erase(run: RunId, at: number): Erased {
    this.forget(run);
    const before = this.evidence.custody(run)?.erased_at;
    const erased = eraseRun(this.#sql, run, at);
    if (before === null) this.#log.due({ kind: 'erased', run, at });
    return erased;
  }

  readonly erasable = (run: RunId): Erased => erasable(this.#sql, run);

  /** Collects some of the garbage. */
  readonly gcStep = (now: number, wanted: Wanted): Collected => collect(this.#sql, now, wanted);
  readonly collectable = (now: number, wanted: Wanted): Freed => collectable(this.#sql, now, wanted);
  readonly tenants = (): string[] =>
    this.#sql.all<{ tenant: string }>('SELECT DISTINCT tenant FROM runs ORDER BY tenant').map(({ tenant }) => tenant);

  /** Verifies one run, or some runs after the one with this number. */
  readonly verifyStep = (what: Asked): Verified => verifyStep(this.#sql, this.evidence, what);

  /** Appends to the log what was committed. The writer calls this periodically. */
  readonly sequence = (now: number, all: boolean): ReturnType<Log['step']> => this.#log.step(now, all);
  readonly logHead = (): LogHead => this.#log.head();
  readonly verifyLog = (wanted: CheckWanted): LogVerification => checkLog(this.#sql, this.#log, this.#front, wanted);

  /** Closes what it opened itself. */
  close(): void {
    this.#front?.close();
  }
}
