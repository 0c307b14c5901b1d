/** Decisions of people, claims, and what people have put off; see `packages/protocol/src/ports/approvals.ts`. `FrontReads` lists decisions. */
import type { ApprovalTable, Claim, Decided, Later } from '@corral/protocol/ports/approvals';
import type { FrontDatabase } from './database.ts';

export class Approvals implements ApprovalTable {
  readonly #db: FrontDatabase;

  constructor(db: FrontDatabase) {
    this.#db = db;
  }

  count(run: string, call: number): number {
    return this.#db.get<{ count: number }>('SELECT count(*) AS count FROM decisions WHERE run = ? AND call = ?', run, call)?.count ?? 0;
  }

  decided({ run, call, tenant, agent, tool, shape, verdict, by, reason, asked_at, at }: Decided): void {
    this.#db.run(
      `INSERT OR IGNORE INTO decisions (run, call, tenant, agent, tool, shape, verdict, by, reason, asked_at, at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      run,
      call,
      tenant,
      agent,
      tool,
      shape,
      verdict,
      by,
      reason,
      asked_at,
      at,
    );
  }

  close(run: string, call?: number): void {
    const [where, values] = call === undefined ? (['run = ?', [run]] as const) : (['run = ? AND call = ?', [run, call]] as const);
    for (const table of ['claims', 'put_off']) this.#db.run(`DELETE FROM ${table} WHERE ${where}`, ...values);
  }

  claim({ run, call, by, since, until }: Claim): void {
    this.#db.run('INSERT OR REPLACE INTO claims (run, call, by, since, until) VALUES (?, ?, ?, ?, ?)', run, call, by, since, until);
  }

  claimOf(run: string, call: number, now: number): Claim | undefined {
    return this.#db.get<Claim>('SELECT run, call, by, since, until FROM claims WHERE run = ? AND call = ? AND until > ?', run, call, now);
  }

  release(run: string, call: number): void {
    this.#db.run('DELETE FROM claims WHERE run = ? AND call = ?', run, call);
  }

  putOff({ run, call, by, until }: Later): void {
    this.#db.run('INSERT OR REPLACE INTO put_off (run, call, by, until) VALUES (?, ?, ?, ?)', run, call, by, until);
  }

  takeUp(run: string, call: number, by: string): boolean {
    return this.#db.run('DELETE FROM put_off WHERE run = ? AND call = ? AND by = ?', run, call, by).changes > 0;
  }

  about(runs: readonly string[], by: string, now: number): { readonly claims: Claim[]; readonly later: Later[] } {
    const among = 'run IN (SELECT value FROM json_each(?)) AND until > ?';
    const list = JSON.stringify(runs);
    return {
      claims: this.#db.all<Claim>(`SELECT run, call, by, since, until FROM claims WHERE ${among}`, list, now),
      later: this.#db.all<Later>(`SELECT run, call, by, until FROM put_off WHERE ${among} AND by = ?`, list, now, by),
    };
  }

  useLink(digest: string, at: number): boolean {
    return this.#db.durably(() => this.#db.run('INSERT OR IGNORE INTO links_used (digest, at) VALUES (?, ?)', digest, at).changes > 0);
  }

  unuseLink(digest: string): void {
    this.#db.run('DELETE FROM links_used WHERE digest = ?', digest);
  }

  forget(before: number): number {
    this.#db.run('DELETE FROM links_used WHERE at < ?', before);
    return this.#db.run('DELETE FROM decisions WHERE at < ?', before).changes;
  }
}
