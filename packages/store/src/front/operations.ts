/** The record of administrative acts. The host's Merkle log follows this table (`../sqlite/log-front.ts`). */
import type { OperationTable } from '@corral/protocol/ports/front';
import type { FrontDatabase } from './database.ts';

export class Operations implements OperationTable {
  readonly #db: FrontDatabase;

  constructor(db: FrontDatabase) {
    this.#db = db;
  }

  add({ id, tenant, at, text }: Parameters<OperationTable['add']>[0]): void {
    this.#db.run('INSERT OR IGNORE INTO operations (id, tenant, at, result) VALUES (?, ?, ?, ?)', id, tenant ?? null, at, text);
  }

  hasBefore(at: number): boolean {
    return this.#db.get('SELECT 1 FROM operations WHERE at < ? LIMIT 1', at) !== undefined;
  }

  forget(before: number): number {
    return this.#db.run('DELETE FROM operations WHERE at < ?', before).changes;
  }
}
