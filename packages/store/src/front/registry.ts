/** The agents of a tenant: versions by content, and aliases that move between them and can be moved back. */
import { CorralError } from '@corral/protocol/errors';
import type { Digest, TenantId } from '@corral/protocol/ids';
import type { AgentManifest, AgentVersion } from '@corral/protocol/model/manifest';
import { didYouMean } from '@corral/protocol/nearest';
import { cursorOf, rowOf } from '@corral/protocol/api/cursor';
import type { AgentRegistry, AgentSummary, AliasView, DeployedView, VersionView } from '@corral/protocol/ports/front';
import { literal, type FrontDatabase } from './database.ts';

interface VersionRow {
  readonly n: number;
  readonly tenant: string;
  readonly agent: string;
  readonly version: Digest;
  readonly bundle: Digest;
  readonly manifest: string;
  readonly deployed_at: number;
  readonly deployed_by: string;
}
interface MoveRow {
  readonly n: number;
  readonly alias: string;
  readonly version: Digest;
  readonly before: number | null;
  readonly at: number;
  readonly by: string;
}

/** The alias that follows the deployments of an agent; it can be rolled back like any other. */
const LATEST = 'latest';

export class Registry implements AgentRegistry {
  readonly #db: FrontDatabase;
  /** Number of principals who have deployed agents, by tenant; counted again after a deploy. */
  readonly #deployers = new Map<string, number>();

  constructor(db: FrontDatabase) {
    this.#db = db;
  }

  /**
   * An agent belongs to the deployment, named by its main agent, that its `latest` comes from. A bundle that imports the agent of another
   * deployment has a version of its own of it, which runs as its child; what others start by name is not changed by that.
   */
  deploy(tenant: string, versions: readonly AgentVersion[], alias: string | undefined, by: string, at: number): DeployedView[] {
    this.#deployers.delete(tenant);
    const main = versions[0]?.manifest.name;
    const names = alias === undefined || alias === LATEST ? [LATEST] : [LATEST, alias];
    return this.#db.durably(() =>
      versions.map(({ version, bundle, manifest }) => {
        const agent = manifest.name;
        const owner = agent === main ? undefined : this.#ownerOf(tenant, agent);
        this.#db.run(
          'INSERT OR IGNORE INTO versions (tenant, agent, version, bundle, manifest, deployed_at, deployed_by) VALUES (?, ?, ?, ?, ?, ?, ?)',
          tenant,
          agent,
          version,
          bundle,
          JSON.stringify(manifest),
          at,
          by,
        );
        if (owner === undefined || owner === main) for (const name of names) this.#move(tenant, agent, name, version, by, at, 'deployed');
        const stays = names.flatMap((name) => {
          const stands = this.#head(tenant, agent, name)?.version ?? null;
          return owner === undefined || stands === version ? [] : [{ alias: name, version: stands, owner }];
        });
        return { ...view(this.#version(tenant, agent, version)), stays };
      }),
    );
  }

  /** The main agent of the deployment that the `latest` of an agent comes from; undefined: the agent is new. */
  #ownerOf(tenant: string, agent: string): string | undefined {
    const latest = this.#head(tenant, agent, LATEST);
    if (latest === undefined) return undefined;
    const { bundle } = this.#version(tenant, agent, latest.version);
    // The main agent of a bundle was written first.
    return this.#db.get<{ agent: string }>('SELECT agent FROM versions WHERE tenant = ? AND bundle = ? ORDER BY n LIMIT 1', tenant, bundle)
      ?.agent;
  }

  deployers(tenant: string): number {
    const known = this.#deployers.get(tenant);
    if (known !== undefined) return known;
    const [row] = this.#db.all<{ n: number }>('SELECT count(DISTINCT deployed_by) AS n FROM versions WHERE tenant = ?', tenant);
    const n = row?.n ?? 0;
    this.#deployers.set(tenant, n);
    return n;
  }

  keepMap(tenant: string, bundle: string, map: string): void {
    this.#db.run('INSERT OR REPLACE INTO maps (tenant, bundle, map) VALUES (?, ?, ?)', tenant, bundle, map);
  }

  map(tenant: string, bundle: string): string | undefined {
    return this.#db.get<{ map: string }>('SELECT map FROM maps WHERE tenant = ? AND bundle = ?', tenant, bundle)?.map;
  }

  /** @throws CORRAL_AGENT_UNKNOWN, CORRAL_VERSION_UNKNOWN */
  move(tenant: string, agent: string, alias: string, version: string, by: string, at: number, reason = 'moved'): AliasView {
    this.#mustKnow(tenant, agent);
    this.#version(tenant, agent, version);
    return this.#db.durably(() => {
      this.#move(tenant, agent, alias, version, by, at, reason);
      return this.#alias(tenant, agent, alias);
    });
  }

  /**
   * Moves an alias back to what it pointed at before; each further call goes one step further back. @throws
   * CORRAL_VERSION_UNKNOWN
   */
  rollBack(tenant: string, agent: string, alias: string, by: string, at: number, reason: string): AliasView {
    this.#mustKnow(tenant, agent);
    const current = this.#head(tenant, agent, alias);
    if (current === undefined) throw new CorralError('CORRAL_VERSION_UNKNOWN', `${agent} has no alias ${alias}.`);
    const before = current.before === null ? undefined : this.#db.get<MoveRow>('SELECT * FROM alias_moves WHERE n = ?', current.before);
    if (before === undefined)
      throw new CorralError('CORRAL_VERSION_UNKNOWN', `${agent}@${alias} points at its first version; none came before.`);
    return this.#db.durably(() => {
      this.#db.run(
        'INSERT INTO alias_moves (tenant, agent, alias, version, before, at, by, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
        tenant,
        agent,
        alias,
        before.version,
        before.before,
        at,
        by,
        reason,
      );
      return this.#alias(tenant, agent, alias);
    });
  }

  list(tenant: string | undefined, { q, cursor, limit }: { q?: string | undefined; cursor?: string | undefined; limit: number }) {
    const after = rowOf(cursor) ?? 0;
    const rows = this.#db.all<{ n: number; tenant: string; agent: string; versions: number }>(
      `SELECT min(n) AS n, tenant, agent, count(*) AS versions FROM versions
       WHERE (?1 IS NULL OR tenant = ?1) AND (?2 IS NULL OR agent LIKE ?2 ESCAPE '\\')
       GROUP BY tenant, agent HAVING min(n) > ?3 ORDER BY min(n) LIMIT ?4`,
      tenant ?? null,
      q === undefined ? null : `%${literal(q)}%`,
      after,
      limit + 1,
    );
    const items = rows.slice(0, limit).map((row) => this.#summary(row.tenant, row.agent, row.versions));
    return { items, next: rows.length > limit ? cursorOf(rows[limit - 1]?.n ?? 0) : null };
  }

  /** @throws CORRAL_AGENT_UNKNOWN */
  show(tenant: string, agent: string) {
    this.#mustKnow(tenant, agent);
    const rows = this.#db.all<VersionRow>('SELECT * FROM versions WHERE tenant = ? AND agent = ? ORDER BY n DESC', tenant, agent);
    return { ...this.#summary(tenant, agent, rows.length), history: rows.map((row) => view(row)) };
  }

  /**
   * The version that `name`, `name@alias` or `name@sha256:…` refers to now.
   * @throws CORRAL_AGENT_UNKNOWN, CORRAL_VERSION_UNKNOWN
   */
  resolve(tenant: string, ref: string): AgentVersion {
    const [agent = '', at = LATEST] = ref.split('@');
    this.#mustKnow(tenant, agent);
    let row: VersionRow | undefined;
    if (at.startsWith('sha256:')) {
      const rows = this.#db.all<VersionRow>(
        'SELECT * FROM versions WHERE tenant = ? AND agent = ? AND substr(version, 1, length(?3)) = ?3 LIMIT 2',
        tenant,
        agent,
        at,
      );
      if (rows.length > 1) throw new CorralError('CORRAL_VERSION_UNKNOWN', `More than one version of ${agent} begins with ${at}.`);
      row = rows[0];
    } else {
      const head = this.#head(tenant, agent, at);
      row = head && this.#version(tenant, agent, head.version);
    }
    if (row === undefined) throw new CorralError('CORRAL_VERSION_UNKNOWN', `${agent} has no ${at}.`);
    return { version: row.version, bundle: row.bundle, manifest: JSON.parse(row.manifest) as AgentManifest };
  }

  /** Names of deployed agents; of one tenant, or of all. */
  names(tenant: string | undefined): string[] {
    return this.#db
      .all<{ agent: string }>('SELECT DISTINCT agent FROM versions WHERE ?1 IS NULL OR tenant = ?1', tenant ?? null)
      .map(({ agent }) => agent);
  }

  hasBundle(tenant: string, bundle: string): boolean {
    return this.#db.get('SELECT 1 FROM versions WHERE tenant = ? AND bundle = ?', tenant, bundle) !== undefined;
  }

  hasVersion(version: string, tenant: string | undefined): boolean {
    return this.#db.get('SELECT 1 FROM versions WHERE version = ?1 AND (?2 IS NULL OR tenant = ?2)', version, tenant ?? null) !== undefined;
  }

  #summary(tenant: string, agent: string, versions: number): AgentSummary {
    const names = this.#db.all<{ alias: string }>(
      'SELECT DISTINCT alias FROM alias_moves WHERE tenant = ? AND agent = ? ORDER BY alias',
      tenant,
      agent,
    );
    const aliases = names.map(({ alias }) => this.#alias(tenant, agent, alias));
    const latest = aliases.find(({ alias }) => alias === LATEST) as AliasView;
    const { manifest } = view(this.#version(tenant, agent, latest.version));
    return { tenant: tenant as TenantId, agent: manifest.name, purpose: manifest.purpose, latest: latest.version, versions, aliases };
  }

  #move(tenant: string, agent: string, alias: string, version: string, by: string, at: number, reason: string): void {
    const head = this.#head(tenant, agent, alias);
    if (head?.version === version) return;
    this.#db.run(
      'INSERT INTO alias_moves (tenant, agent, alias, version, before, at, by, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      tenant,
      agent,
      alias,
      version,
      head?.n ?? null,
      at,
      by,
      reason,
    );
  }

  #head(tenant: string, agent: string, alias: string): MoveRow | undefined {
    return this.#db.get<MoveRow>(
      'SELECT * FROM alias_moves WHERE tenant = ? AND agent = ? AND alias = ? ORDER BY n DESC LIMIT 1',
      tenant,
      agent,
      alias,
    );
  }

  #alias(tenant: string, agent: string, alias: string): AliasView {
    const head = this.#head(tenant, agent, alias) as MoveRow;
    const before = head.before === null ? undefined : this.#db.get<MoveRow>('SELECT * FROM alias_moves WHERE n = ?', head.before);
    return { alias, version: head.version, moved_at: head.at, moved_by: head.by, before: before?.version ?? null };
  }

  #version(tenant: string, agent: string, version: string): VersionRow {
    const row = this.#db.get<VersionRow>('SELECT * FROM versions WHERE tenant = ? AND agent = ? AND version = ?', tenant, agent, version);
    if (row === undefined) throw new CorralError('CORRAL_VERSION_UNKNOWN', `${agent} has no version ${version.slice(0, 19)}.`);
    return row;
  }

  #mustKnow(tenant: string, agent: string): void {
    if (this.#db.get('SELECT 1 FROM versions WHERE tenant = ? AND agent = ? LIMIT 1', tenant, agent) === undefined)
      throw new CorralError('CORRAL_AGENT_UNKNOWN', `There is no agent ${agent} here.${didYouMean(agent, this.names(tenant))}`);
  }
}

function view(row: VersionRow): VersionView {
  const manifest = JSON.parse(row.manifest) as AgentManifest;
  const { version, bundle, deployed_at, deployed_by } = row;
  return { agent: manifest.name, version, bundle, deployed_at, deployed_by, manifest };
}
