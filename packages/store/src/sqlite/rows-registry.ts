/** Grants, payloads, accounts, and the tables that concern all runs, as rows. */
import { hash } from 'node:crypto';
import type { Digest, GrantId, RunId } from '@corral/protocol/ids';
import type { Grant, GrantState } from '@corral/protocol/model/grant';
import type { AgentVersion } from '@corral/protocol/model/manifest';
import type { Quarantine } from '@corral/protocol/model/quarantine';
import type { Serving } from '@corral/protocol/ports/store';
import type { BlobRows, Bundle, ChangeKind, GrantRows, NewGrant, RegistryRows } from '../core/engine.ts';
import { holds, holdsNoMore } from './holdings.ts';
import * as queries from './queries.ts';
import type { Sql } from './sql.ts';

export class Grants implements GrantRows {
  readonly #sql: Sql;
  constructor(sql: Sql) {
    this.#sql = sql;
  }

  put(grant: NewGrant): void {
    const { id, parent, holder, data } = grant;
    const sql = 'INSERT INTO grants (id, parent, holder, data, used, revoked) VALUES (?, ?, ?, ?, 0, 0)';
    this.#sql.run(sql, id, parent ?? null, holder, data);
    holds(this.#sql, grant);
  }

  get(id: string): ReturnType<GrantRows['get']> {
    const row = this.#sql.get<{ data: string; used: number; revoked: number; sent_bytes: number | null; rested_at: number | null }>(
      'SELECT data, used, revoked, sent_bytes, rested_at FROM grants WHERE id = ?',
      id,
    );
    if (row === undefined) return undefined;
    const { data, used, revoked, sent_bytes, rested_at } = row;
    return {
      ...(JSON.parse(data) as Grant),
      used,
      revoked: revoked !== 0,
      ...(sent_bytes === null ? {} : { sent_bytes }),
      ...(rested_at === null ? {} : { rested_at }),
    };
  }

  count(id: string, used: number, sent_bytes: number | undefined, rested_at: number | undefined): void {
    const sql = 'UPDATE grants SET used = ?, sent_bytes = ?, rested_at = ? WHERE id = ?';
    this.#sql.run(sql, used, sent_bytes ?? null, rested_at ?? null, id);
  }

  revoke(id: string): void {
    this.#sql.run('UPDATE grants SET revoked = 1 WHERE id = ?', id);
    holdsNoMore(this.#sql, id);
  }

  revoked(among: readonly GrantId[]): GrantId[] {
    return queries.revoked(this.#sql, among);
  }

  revokeFor(id: GrantId, by: string, reason: string, at: number): boolean {
    if (!queries.revoke(this.#sql, id, by, reason, at)) return false;
    holdsNoMore(this.#sql, id);
    return true;
  }

  of(run: RunId): (Grant & GrantState)[] {
    return queries.grantsOf(this.#sql, run);
  }

  holder(id: GrantId): RunId | undefined {
    return queries.holderOf(this.#sql, id);
  }

  isShared(id: GrantId, besides: readonly RunId[]): boolean {
    return queries.isShared(this.#sql, id, besides);
  }
}

export class Blobs implements BlobRows {
  readonly #sql: Sql;
  constructor(sql: Sql) {
    this.#sql = sql;
  }

  has(id: string): boolean {
    return this.#sql.get('SELECT 1 FROM blobs WHERE id = ?', id) !== undefined;
  }

  data(id: string): Uint8Array | undefined {
    return this.#sql.get<{ data: Uint8Array }>('SELECT data FROM blobs WHERE id = ?', id)?.data;
  }

  put({ id, tenant, data, parts }: Parameters<BlobRows['put']>[0], at: number): void {
    if (this.#sql.run('INSERT OR IGNORE INTO blobs (tenant, id, data) VALUES (?, ?, ?)', tenant, id, data) === 0) return;
    this.#sql.run('INSERT INTO unnamed (blob, since) SELECT b, ? FROM blobs WHERE id = ?', at, id);
    for (const part of parts) {
      const listed = this.#sql.run(
        'INSERT INTO parts (blob, part) SELECT whole.b, part.b FROM blobs AS whole, blobs AS part WHERE whole.id = ? AND part.id = ?',
        id,
        part,
      );
      if (listed === 0) throw new Error(`The part ${part} of the payload ${id} is not there.`);
      this.#sql.run('DELETE FROM unnamed WHERE blob = (SELECT b FROM blobs WHERE id = ?)', part);
    }
  }

  refer(n: number, seq: number, id: string): void {
    this.#sql.run('INSERT OR IGNORE INTO refs (run, seq, blob) SELECT ?, ?, b FROM blobs WHERE id = ?', n, seq, id);
    this.#sql.run('DELETE FROM unnamed WHERE blob = (SELECT b FROM blobs WHERE id = ?)', id);
  }
}

export class Registry implements RegistryRows {
  readonly #sql: Sql;
  constructor(sql: Sql) {
    this.#sql = sql;
  }

  deploy({ source, digest: name, source_map = undefined }: Bundle, versions: readonly AgentVersion[]): void {
    const put = `INSERT INTO bundles (digest, source, source_hash, source_map) VALUES (?, ?, ?, ?)
      ON CONFLICT (digest) DO UPDATE SET source_map = coalesce(source_map, excluded.source_map)`;
    this.#sql.run(put, name, source, hash('sha256', source, 'buffer'), source_map ?? null);
    for (const { version, bundle, manifest } of versions) {
      const sql = 'INSERT OR IGNORE INTO versions (version, bundle, name, manifest) VALUES (?, ?, ?, ?)';
      this.#sql.run(sql, version, bundle, manifest.name, JSON.stringify(manifest));
    }
  }

  version(version: Digest): AgentVersion | undefined {
    const row = this.#sql.get<{ bundle: Digest; manifest: string }>('SELECT bundle, manifest FROM versions WHERE version = ?', version);
    return row && { version, bundle: row.bundle, manifest: JSON.parse(row.manifest) as AgentVersion['manifest'] };
  }

  agents(bundle: Digest): AgentVersion[] {
    const rows = this.#sql.all<{ version: Digest; manifest: string }>('SELECT version, manifest FROM versions WHERE bundle = ?', bundle);
    return rows.map(({ version, manifest }) => ({ version, bundle, manifest: JSON.parse(manifest) as AgentVersion['manifest'] }));
  }

  source(digest: Digest): string | undefined {
    return this.#sql.get<{ source: string }>('SELECT source FROM bundles WHERE digest = ?', digest)?.source;
  }

  sourceMap(digest: Digest): string | undefined {
    return this.#sql.get<{ source_map: string | null }>('SELECT source_map FROM bundles WHERE digest = ?', digest)?.source_map ?? undefined;
  }

  services(): Serving[] {
    return this.#sql
      .all<Omit<Serving, 'owner'> & { owner: string | null }>('SELECT tenant, name, version, owner FROM services')
      .map(({ owner, ...serving }) => ({ ...serving, ...(owner === null ? {} : { owner }) }));
  }

  serve({ tenant, name, version, owner }: Serving): boolean {
    const changed = this.#sql.run(
      `INSERT INTO services (tenant, name, version, owner) VALUES (?, ?, ?, ?)
       ON CONFLICT (tenant, name) DO UPDATE SET version = excluded.version, owner = excluded.owner
       WHERE owner IS NULL OR owner = excluded.owner`,
      tenant,
      name,
      version,
      owner ?? null,
    );
    return changed > 0;
  }

  quarantines(): Quarantine[] {
    return this.#sql
      .all<Omit<Quarantine, 'tenant'> & { readonly tenant: string | null }>(
        'SELECT kind, tenant, name, by, reason, at FROM quarantines WHERE lifted_at IS NULL ORDER BY at',
      )
      .map(({ tenant, ...one }) => ({ ...one, ...(tenant === null ? {} : { tenant }) }));
  }

  putQuarantine({ kind, tenant, name, by, reason, at }: Quarantine): void {
    const sql = 'INSERT INTO quarantines (kind, tenant, name, by, reason, at) VALUES (?, ?, ?, ?, ?, ?)';
    this.#sql.run(sql, kind, tenant ?? null, name, by, reason, at);
  }

  liftQuarantine(...[kind, name, by, at, tenant, until]: Parameters<RegistryRows['liftQuarantine']>): boolean {
    const sql = `UPDATE quarantines SET lifted_by = ?, lifted_at = ?
      WHERE kind = ? AND name = ? AND tenant IS ? AND lifted_at IS NULL AND at <= ?`;
    return this.#sql.run(sql, by, at, kind, name, tenant ?? null, until ?? Number.MAX_SAFE_INTEGER) > 0;
  }

  change(kind: ChangeKind, id: string | undefined, kept: number): void {
    this.#sql.run('INSERT INTO changes (kind, id) VALUES (?, ?)', kind, id ?? null);
    this.#sql.run('DELETE FROM changes WHERE version <= (SELECT max(version) FROM changes) - ?', kept);
  }

  versions(): { first: number; last: number } | undefined {
    const row = this.#sql.get<{ first: number | null; last: number }>('SELECT min(version) AS first, max(version) AS last FROM changes');
    return row === undefined || row.first === null ? undefined : { first: row.first, last: row.last };
  }

  changes(after: number): { kind: ChangeKind; id: string | null }[] {
    return this.#sql.all('SELECT kind, id FROM changes WHERE version > ? ORDER BY version', after);
  }

  seen(limit: number): { fact: string; value: number }[] {
    return this.#sql.all<{ fact: string; value: number }>('SELECT fact, value FROM seen ORDER BY rowid DESC LIMIT ?', limit).reverse();
  }

  noteSeen(fact: string, value: number): void {
    this.#sql.run('INSERT INTO seen (fact, value) VALUES (?, ?) ON CONFLICT (fact) DO UPDATE SET value = excluded.value', fact, value);
  }
}
