/** Statements of one connection, prepared once. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';

type Value = string | number | null | Uint8Array;

export class Sql {
  readonly db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(db: DatabaseSync) {
    this.db = db;
  }

  prepared(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /** Returns the number of rows that changed. */
  run(sql: string, ...values: Value[]): number {
    return Number(this.prepared(sql).run(...values).changes);
  }

  get<T>(sql: string, ...values: Value[]): T | undefined {
    return this.prepared(sql).get(...values) as T | undefined;
  }

  all<T>(sql: string, ...values: Value[]): T[] {
    return this.prepared(sql).all(...values) as unknown as T[];
  }
}
