/**
 * Profiles of agents: what each usually does, learned from approved runs. The latest is in force; a run keeps the one it began
 * with, so a few earlier ones are kept.
 */
import type { LearnedFrom, ProfileRecord, ProfileTable } from '@corral/protocol/ports/front';
import type { FrontDatabase } from './database.ts';

type Row = Omit<ProfileRecord, 'runs'> & { readonly runs: string };

/** Profiles that are kept of one agent. A run that began with an older one has no profile after it was parked. */
const KEPT = 16;

export class Profiles implements ProfileTable {
  readonly #db: FrontDatabase;
  constructor(db: FrontDatabase) {
    this.#db = db;
    db.run(`CREATE TABLE IF NOT EXISTS profiles (
      n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL, agent TEXT NOT NULL,
      learned_at INTEGER NOT NULL, learned_by TEXT NOT NULL, reason TEXT NOT NULL, runs TEXT NOT NULL, profile TEXT NOT NULL) STRICT`);
    db.run('CREATE INDEX IF NOT EXISTS profiles_of ON profiles (tenant, agent, n)');
  }

  latest(tenant: string, agent: string): ProfileRecord | undefined {
    return this.#read(this.#db.get<Row>('SELECT * FROM profiles WHERE tenant = ? AND agent = ? ORDER BY n DESC LIMIT 1', tenant, agent));
  }

  find(id: string): ProfileRecord | undefined {
    return this.#read(this.#db.get<Row>('SELECT * FROM profiles WHERE id = ?', id));
  }

  keep(row: ProfileRecord): void {
    const { id, tenant, agent, learned_at, learned_by, reason, runs, profile } = row;
    this.#db.durably(() => {
      this.#db.run(
        'INSERT INTO profiles (id, tenant, agent, learned_at, learned_by, reason, runs, profile) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
        id,
        tenant,
        agent,
        learned_at,
        learned_by,
        reason,
        JSON.stringify(runs),
        profile,
      );
      this.#db.run(
        `DELETE FROM profiles WHERE tenant = ?1 AND agent = ?2 AND n NOT IN
         (SELECT n FROM profiles WHERE tenant = ?1 AND agent = ?2 ORDER BY n DESC LIMIT ?3)`,
        tenant,
        agent,
        KEPT,
      );
    });
  }

  /** @returns how many were deleted */
  delete(tenant: string, agent: string): number {
    return this.#db.durably(() => this.#db.run('DELETE FROM profiles WHERE tenant = ? AND agent = ?', tenant, agent)).changes;
  }

  #read(row: Row | undefined): ProfileRecord | undefined {
    return row && { ...row, runs: JSON.parse(row.runs) as LearnedFrom[] };
  }
}
