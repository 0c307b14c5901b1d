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

  list(tenant: string | undefined, before: number | undefined, limit: number): { readonly n: number; readonly text: string }[] {
    return this.#db.all(
      'SELECT n, result AS text FROM operations WHERE (?1 IS NULL OR tenant = ?1) AND (?2 IS NULL OR n < ?2) ORDER BY n DESC LIMIT ?3',
      tenant ?? null,
      before ?? null,
      limit,
    );
  }

  hasBefore(at: number): boolean {
    return this.#db.get('SELECT 1 FROM operations WHERE at < ? LIMIT 1', at) !== undefined;
  }

  forget(before: number): number {
    return this.#db.run('DELETE FROM operations WHERE at < ?', before).changes;
  }
}
