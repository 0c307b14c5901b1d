/** Migrations: steps of SQL, of which `user_version` counts those that a database has. A released step is never changed. */
import type { DatabaseSync } from 'node:sqlite';
import { CorralError } from '@corral/protocol/errors';

/**
 * Does the steps that a database lacks, in one transaction.
 * @param what the database, in messages
 * @throws CORRAL_DATA_VERSION if a newer Corral wrote it
 */
export function migrateBy(steps: readonly string[], db: DatabaseSync, what: string): void {
  const { user_version: have } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  if (have > steps.length)
    throw new CorralError('CORRAL_DATA_VERSION', `${what} has schema ${have}; this Corral knows schemas up to ${steps.length}.`);
  if (have === steps.length) return;
  db.exec('BEGIN IMMEDIATE');
  try {
    for (const step of steps.slice(have)) db.exec(step);
    db.exec(`PRAGMA user_version = ${steps.length}`);
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}
