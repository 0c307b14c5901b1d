/**
 * Profiles of agents: what each usually does, learned from approved runs. The latest is in force; a run keeps the one it began
 * with, so a few earlier ones are kept.
 */
import type { Profile } from '@corral/policy/detection/profile';
import type { FrontStore } from './front.ts';

export interface LearnedFrom {
  readonly run: string;
  readonly version: string;
}
export interface ProfileRow {
  readonly id: string;
  readonly tenant: string;
  readonly agent: string;
  readonly learned_at: number;
  readonly learned_by: string;
  readonly reason: string;
  readonly runs: readonly LearnedFrom[];
  readonly profile: Profile;
}
interface Row {
  readonly id: string;
  readonly tenant: string;
  readonly agent: string;
  readonly learned_at: number;
  readonly learned_by: string;
  readonly reason: string;
  readonly runs: string;
  readonly profile: string;
}

/** Profiles that are kept of one agent. A run that began with an older one has no profile after it was parked. */
const KEPT = 16;

export class ProfileStore {
  readonly #db: FrontStore;
  readonly #current = new Map<string, string | undefined>();
  readonly #profiles = new Map<string, Profile>();

  constructor(db: FrontStore) {
    this.#db = db;
    db.run(`CREATE TABLE IF NOT EXISTS profiles (
      n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL, agent TEXT NOT NULL,
      learned_at INTEGER NOT NULL, learned_by TEXT NOT NULL, reason TEXT NOT NULL, runs TEXT NOT NULL, profile TEXT NOT NULL) STRICT`);
    db.run('CREATE INDEX IF NOT EXISTS profiles_of ON profiles (tenant, agent, n)');
  }

  /** Cached: it is needed at every admission and spawn. */
  readonly current = (tenant: string, agent: string): string | undefined => {
    const key = `${tenant} ${agent}`;
    if (!this.#current.has(key)) this.#current.set(key, this.show(tenant, agent)?.id);
    return this.#current.get(key);
  };

  /** Gives the same object to all runs that are judged by the profile. */
  readonly get = (id: string): Profile | undefined => {
    const known = this.#profiles.get(id);
    if (known !== undefined) return known;
    const row = this.#db.get<{ profile: string }>('SELECT profile FROM profiles WHERE id = ?', id);
    if (row === undefined) return undefined;
    const profile = JSON.parse(row.profile) as Profile;
    this.#profiles.set(id, profile);
    return profile;
  };

  show(tenant: string, agent: string): ProfileRow | undefined {
    return this.#read(this.#db.get<Row>('SELECT * FROM profiles WHERE tenant = ? AND agent = ? ORDER BY n DESC LIMIT 1', tenant, agent));
  }

  find(id: string): ProfileRow | undefined {
    return this.#read(this.#db.get<Row>('SELECT * FROM profiles WHERE id = ?', id));
  }

  keep(row: ProfileRow): void {
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
        JSON.stringify(profile),
      );
      this.#db.run(
        `DELETE FROM profiles WHERE tenant = ?1 AND agent = ?2 AND n NOT IN
         (SELECT n FROM profiles WHERE tenant = ?1 AND agent = ?2 ORDER BY n DESC LIMIT ?3)`,
        tenant,
        agent,
        KEPT,
      );
    });
    this.#forget();
  }

  /** @returns how many were deleted */
  delete(tenant: string, agent: string): number {
    const { changes } = this.#db.durably(() => this.#db.run('DELETE FROM profiles WHERE tenant = ? AND agent = ?', tenant, agent));
    this.#forget();
    return changes;
  }

  #forget(): void {
    this.#current.clear();
    this.#profiles.clear();
  }

  #read(row: Row | undefined): ProfileRow | undefined {
    return row && { ...row, runs: JSON.parse(row.runs) as LearnedFrom[], profile: this.get(row.id) as Profile };
  }
}
