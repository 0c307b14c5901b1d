/**
 * The front door's tables as the log follows them: who did what (`operations`), and what is in force through it. They are in a
 * database of their own in the same folder, which the host writes and this only reads. The hash of a row covers the columns that
 * never change.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { canonical } from '@corral/protocol/json';
import type { Leaf } from '@corral/protocol/model/log';
import { digestOf, hex } from '../core/digests.ts';
import { readingConnection } from './open.ts';
import { Sql } from './sql.ts';

type Row = Readonly<Record<string, string | number | null | Uint8Array>>;

/** By table: the columns that identify a row, and those that never change. */
const TABLES = {
  operations: { key: ['id'], columns: ['id', 'tenant', 'at', 'result'] },
  configs: { key: ['n'], columns: ['version', 'config', 'at', 'by'] },
  archive: { key: ['digest'], columns: ['digest', 'kind', 'text', 'at'] },
  policy_moves: { key: ['n'], columns: ['tenant', 'version', 'files', 'config', 'at', 'by', 'reason'] },
  tokens: { key: ['id'], columns: ['id', 'hash', 'name', 'tenant', 'roles', 'created_at', 'created_by', 'expires_at'] },
  versions: { key: ['n'], columns: ['tenant', 'agent', 'version', 'bundle', 'manifest', 'deployed_at', 'deployed_by'] },
  alias_moves: { key: ['n'], columns: ['tenant', 'agent', 'alias', 'version', 'before', 'at', 'by', 'reason'] },
} as const;
export type FrontTable = keyof typeof TABLES;
export const FRONT_TABLES = Object.keys(TABLES) as FrontTable[];

/** The fields of an act that the log needs. */
interface Act {
  readonly by: string;
  readonly operation: string;
  readonly target: { readonly before?: number; readonly token?: string } | null;
}

export class FrontTables {
  readonly #path: string;
  #sql: Sql | undefined;
  #has: ReadonlySet<string> = new Set();

  constructor(folder: string) {
    this.#path = join(folder, 'front.db');
  }

  /** The cursor of a table in `log_state`. */
  static cursor = (table: FrontTable): string => `front:${table}`;

  /** Rows after one, as leaves, oldest first. A folder that only embedded hosts have used has none. */
  after(table: FrontTable, after: number, limit: number): { readonly to: number; readonly leaves: Leaf[] } {
    const sql = this.#open(table);
    if (sql === undefined) return { to: after, leaves: [] };
    const { columns } = TABLES[table];
    const rows = sql.all<Row & { readonly row: number }>(
      `SELECT rowid AS row, ${columns.map((name) => `"${name}"`).join(', ')} FROM ${table} WHERE rowid > ? ORDER BY rowid LIMIT ?`,
      after,
      limit,
    );
    return { to: rows.at(-1)?.row ?? after, leaves: rows.map((row) => leafOf(table, row)) };
  }

  /** The present digest of the row that a leaf is about; undefined if the row is gone. */
  digest(table: FrontTable, key: string | number): string | undefined {
    const { columns, key: names } = TABLES[table];
    const row = this.#open(table)?.get<Row>(
      `SELECT ${columns.map((name) => `"${name}"`).join(', ')} FROM ${table} WHERE ${names.map((name) => `"${name}" = ?`).join(' AND ')}`,
      key,
    );
    return row && digestOf(plain(row));
  }

  /** Rows of a table up to one, each with its number and key. */
  *upTo(table: FrontTable, last: number): Generator<{ readonly row: number; readonly key: string }> {
    const sql = this.#open(table);
    if (sql === undefined) return;
    for (let after = 0; ;) {
      const rows = sql.all<{ row: number; key: string }>(
        `SELECT rowid AS row, CAST("${TABLES[table].key[0]}" AS TEXT) AS key FROM ${table} WHERE rowid > ? AND rowid <= ? ORDER BY rowid LIMIT 1000`,
        after,
        last,
      );
      yield* rows;
      const next = rows.at(-1);
      if (next === undefined) return;
      after = next.row;
    }
  }

  isRevoked(token: string): boolean {
    const row = this.#open('tokens')?.get<{ revoked_at: number | null }>('SELECT revoked_at FROM tokens WHERE id = ?', token);
    return row !== undefined && row.revoked_at !== null;
  }

  /** Starts a read transaction, for reads that take long. */
  begin(): void {
    this.#open('operations')?.db.exec('BEGIN');
  }
  end(): void {
    if (this.#sql?.db.isTransaction === true) this.#sql.db.exec('ROLLBACK');
  }

  close(): void {
    this.#sql?.db.close();
    this.#sql = undefined;
  }

  #open(table: FrontTable): Sql | undefined {
    if (this.#sql === undefined) {
      if (!existsSync(this.#path)) return undefined;
      this.#sql = new Sql(readingConnection(this.#path));
      this.#sql.db.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
    }
    if (!this.#has.has(table))
      this.#has = new Set(this.#sql.all<{ name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table'").map(({ name }) => name));
    return this.#has.has(table) ? this.#sql : undefined;
  }
}

/** How long a read waits for a writer that switches the file's mode, as the first writer does. */
const BUSY_MS = 2_000;

function leafOf(table: FrontTable, { row: n, ...row }: Row & { readonly row: number }): Leaf {
  const digest = digestOf(plain(row));
  if (table !== 'operations') {
    const name = TABLES[table].key[0];
    return { kind: 'row', table, n, key: name === 'n' ? n : String(row[name]), digest };
  }
  const { by, operation, target } = JSON.parse(String(row['result'])) as Act;
  return {
    kind: 'act',
    n,
    id: String(row['id']),
    at: Number(row['at']),
    by,
    operation,
    digest,
    ...(operation === 'forget-operations' && target?.before !== undefined ? { before: target.before } : {}),
    ...(operation === 'revoke-token' && target?.token !== undefined ? { revokes: target.token } : {}),
  };
}

function plain(row: Row): string {
  return canonical(
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value instanceof Uint8Array ? hex(value) : value])),
  );
}
