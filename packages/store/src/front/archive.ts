/**
 * History of what was in force: texts of policies by digest, and each configuration and set of policies with person and
 * reason. A decision names the version of its policies; the texts of that version are here.
 */
import { hash } from 'node:crypto';
import { CorralError } from '@corral/protocol/errors';
import type { Json } from '@corral/protocol/json';
import type { ArchivedConfig, ConfigArchive, PolicyMove, PutInForce } from '@corral/protocol/ports/front';
import { literal, type FrontDatabase } from './database.ts';

interface ConfigRow {
  readonly n: number;
  readonly version: string;
  readonly config: string;
  readonly at: number;
  readonly by: string;
  readonly reason: string | null;
}
interface MoveRow {
  readonly n: number;
  readonly tenant: string;
  /** Null: the tenant had no policies from then on. */
  readonly version: string | null;
  readonly files: string;
  readonly config: string;
  readonly at: number;
  readonly by: string;
  readonly reason: string;
}
interface File {
  readonly file: string;
  readonly digest: string;
}

const digestOf = (text: string) => `sha256:${hash('sha256', text)}`;

export class Archive implements ConfigArchive {
  readonly #db: FrontDatabase;

  constructor(db: FrontDatabase) {
    this.#db = db;
  }

  /** Records a configuration and the policies of its tenants, as far as they changed. @returns the version before */
  put(
    { version, summary, policies: inForce }: ArchivedConfig,
    { at, by, reason }: PutInForce,
  ): { readonly before: string | undefined; readonly same: boolean } {
    return this.#db.durably(() => {
      const before = this.latest();
      if (before !== version) {
        const text = JSON.stringify(summary satisfies Json);
        this.#db.run('INSERT INTO configs (version, config, at, by, reason) VALUES (?, ?, ?, ?, ?)', version, text, at, by, reason);
      }
      const had = this.#db.all<{ tenant: string }>('SELECT DISTINCT tenant FROM policy_moves').map(({ tenant }) => tenant);
      for (const tenant of new Set([...had, ...Object.keys(inForce)])) {
        const policies = inForce[tenant];
        const last = this.#db.get<MoveRow>('SELECT * FROM policy_moves WHERE tenant = ? ORDER BY n DESC LIMIT 1', tenant);
        if ((last?.version ?? null) === (policies?.version ?? null)) continue;
        const files = (policies?.sources ?? []).map((source) => this.#keep(source, at));
        this.#db.run(
          'INSERT INTO policy_moves (tenant, version, files, config, at, by, reason) VALUES (?, ?, ?, ?, ?, ?, ?)',
          tenant,
          policies?.version ?? null,
          JSON.stringify(files),
          version,
          at,
          by,
          reason,
        );
      }
      return { before, same: before === version };
    });
  }

  latest(): string | undefined {
    return this.#db.get<{ version: string }>('SELECT version FROM configs ORDER BY n DESC LIMIT 1')?.version;
  }

  /** Newest first. */
  configs() {
    return this.#db
      .all<ConfigRow>('SELECT n, version, at, by, reason FROM configs ORDER BY n DESC')
      .map(({ version, at, by, reason }) => ({ version, at, by, reason: reason ?? '' }));
  }

  /** @param version or its first characters. @throws CORRAL_VERSION_UNKNOWN */
  config(version: string) {
    const row = this.#one<ConfigRow>('configs', version, undefined);
    if (row === undefined) throw new CorralError('CORRAL_VERSION_UNKNOWN', `No configuration ${version} was in force here.`);
    return { version: row.version, at: row.at, by: row.by, reason: row.reason ?? '', config: JSON.parse(row.config) as Json };
  }

  /** Which policies were in force, newest first; of one tenant, or of all. */
  moves(tenant: string | undefined) {
    return this.#db
      .all<MoveRow>('SELECT * FROM policy_moves WHERE ?1 IS NULL OR tenant = ?1 ORDER BY n DESC', tenant ?? null)
      .map((row) => moveOf(row));
  }

  /**
   * The texts of policies that were in force.
   * @param tenant in which they were in force; undefined: any
   * @throws CORRAL_VERSION_UNKNOWN
   */
  policies(version: string, tenant: string | undefined) {
    const row = this.#one<MoveRow>('policy_moves', version, tenant);
    if (row === undefined || row.version === null)
      throw new CorralError('CORRAL_VERSION_UNKNOWN', `No policies ${version} were in force here.`);
    const files = (JSON.parse(row.files) as File[]).map(({ file, digest }) => ({
      file,
      digest,
      text: this.#db.get<{ text: string }>('SELECT text FROM archive WHERE digest = ?', digest)?.text ?? '',
    }));
    const moves = this.moves(tenant).filter((one) => one.version === row.version);
    return { version: row.version, files, moves };
  }

  keepFiles(version: string, file: string, kept: Json, at: number, most: number): void {
    this.#db.durably(() => {
      this.#db.run('DELETE FROM config_files WHERE version = ?', version);
      this.#db.run('INSERT INTO config_files (version, file, kept, at) VALUES (?, ?, ?, ?)', version, file, JSON.stringify(kept), at);
      this.#db.run('DELETE FROM config_files WHERE n NOT IN (SELECT n FROM config_files ORDER BY n DESC LIMIT ?)', most);
    });
  }

  filesOf(file: string): Json | undefined {
    const row = this.#db.get<{ kept: string }>('SELECT kept FROM config_files WHERE file = ? ORDER BY n DESC LIMIT 1', file);
    return row === undefined ? undefined : (JSON.parse(row.kept) as Json);
  }

  /** A prefix that several versions share is refused rather than resolved to one of them. */
  #one<Row extends { readonly version: string | null }>(table: 'configs' | 'policy_moves', version: string, tenant: string | undefined) {
    const rows = this.#db.all<Row>(
      `SELECT * FROM ${table} WHERE version LIKE ? ESCAPE '\\' ${tenant === undefined ? '' : 'AND tenant = ?'} ORDER BY n DESC`,
      `${literal(version)}%`,
      ...(tenant === undefined ? [] : [tenant]),
    );
    if (new Set(rows.map((row) => row.version)).size > 1)
      throw new CorralError('CORRAL_VERSION_UNKNOWN', `More than one version begins with ${version}.`);
    return rows[0];
  }

  #keep({ file, text }: { readonly file: string; readonly text: string }, at: number): File {
    const digest = digestOf(text);
    this.#db.run('INSERT OR IGNORE INTO archive (digest, kind, text, at) VALUES (?, ?, ?, ?)', digest, 'policy', text, at);
    return { file, digest };
  }
}

const moveOf = ({ tenant, version, files, config, at, by, reason }: MoveRow): PolicyMove => {
  return { tenant, version, files: JSON.parse(files) as File[], config, at, by, reason };
};
