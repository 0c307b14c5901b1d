/** The front door's tables on SQLite: `front.db` in the data folder, behind the port `FrontStore`. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { FrontStore } from '@corral/protocol/ports/front';
import type { Random } from '@corral/protocol/ports/machine';
import { openKeyRing, type KeySource } from '../core/keys.ts';
import { Approvals } from './approvals.ts';
import { Archive } from './archive.ts';
import { FrontDatabase } from './database.ts';
import { Deliveries } from './deliveries.ts';
import { Events } from './events.ts';
import { Marks } from './marks.ts';
import { Operations } from './operations.ts';
import { Profiles } from './profiles.ts';
import { Registry } from './registry.ts';
import { Runs } from './runs.ts';
import { Schedules } from './schedules.ts';
import { SealedRows } from './sealed.ts';
import { SubmissionRows } from './submissions.ts';
import { Tokens } from './tokens.ts';
import { LateCalls } from './tools.ts';

/** One value of a data folder whose tables nobody has open yet; undefined if there is none, or no tables. */
export function metaOf(folder: string, name: string): string | undefined {
  if (!existsSync(join(folder, 'front.db'))) return undefined;
  const db = FrontDatabase.reading(folder);
  try {
    return db.get<{ value: string }>('SELECT value FROM meta WHERE name = ?', name)?.value;
  } finally {
    db.close();
  }
}

export class SqliteFront implements FrontStore {
  readonly #db: FrontDatabase;
  readonly registry: Registry;
  readonly tokens: Tokens;
  readonly schedules: Schedules;
  readonly runs: Runs;
  readonly submissions: SubmissionRows;
  readonly operations: Operations;
  readonly deliveries: Deliveries;
  readonly archive: Archive;
  readonly profiles: Profiles;
  readonly marks: Marks;
  readonly events: Events;
  readonly approvals: Approvals;
  readonly lateCalls: LateCalls;
  readonly sealed: SealedRows;

  /**
   * @param folder the data folder, which the run store has already opened and locked
   * @param makeRoom releases reserved disk space, so that operations which stop runs can still be recorded on a full disk
   * @param keys the ring of that store
   * @throws CORRAL_DATA_UNUSABLE, CORRAL_DATA_VERSION
   */
  constructor(folder: string, random: Random, makeRoom?: () => boolean, keys: KeySource = { kind: 'file' }) {
    const db = new FrontDatabase(folder, makeRoom);
    this.#db = db;
    this.registry = new Registry(db);
    this.tokens = new Tokens(db, random);
    this.schedules = new Schedules(db);
    this.runs = new Runs(db);
    this.submissions = new SubmissionRows(db);
    this.operations = new Operations(db);
    this.deliveries = new Deliveries(db);
    this.archive = new Archive(db);
    this.profiles = new Profiles(db);
    this.marks = new Marks(db);
    this.events = new Events(db);
    this.approvals = new Approvals(db);
    this.lateCalls = new LateCalls(db);
    this.sealed = new SealedRows(db, () => openKeyRing(folder, keys, false));
  }

  meta(name: string): string | undefined {
    return this.#db.meta(name);
  }

  setMeta(name: string, value: string): void {
    this.#db.setMeta(name, value);
  }

  together<T>(work: () => T): T {
    return this.#db.together(work);
  }

  durably<T>(work: () => T): T {
    return this.#db.durably(work);
  }

  close(): void {
    this.#db.close();
  }
}
