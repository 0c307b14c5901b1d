/** The nodes at work on a store, as rows of `eras`; runs.claimed_era names the node that holds a run, or held it last. */
import type { Downtime, HeldElsewhere } from '@corral/protocol/ports/store';
import type { NewNode, NodeRows } from '../core/engine.ts';
import type { Sql } from './sql.ts';

export class Eras implements NodeRows {
  readonly #sql: Sql;
  constructor(sql: Sql) {
    this.#sql = sql;
  }

  opened(): number {
    const era = Number(this.#sql.get<{ value: string }>("SELECT value FROM meta WHERE name = 'era'")?.value ?? '0') + 1;
    this.#sql.run("INSERT INTO meta (name, value) VALUES ('era', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", String(era));
    return era;
  }

  expire(clock: number, name: string): void {
    this.#sql.run('UPDATE eras SET lease = 0 WHERE lease > 0 AND (lease <= ? OR node = ?)', clock, name);
  }

  silence(): { since: number | undefined } | undefined {
    if (this.#sql.get('SELECT 1 FROM eras WHERE lease > 0 LIMIT 1') !== undefined) return undefined;
    const row = this.#sql.get<{ since: number | null }>('SELECT max(until) AS since FROM eras');
    return { since: row?.since ?? undefined };
  }

  insert({ name, since, lease, lease_ms, away_from }: NewNode): number {
    const row = this.#sql.get<{ era: number }>(
      `INSERT INTO eras (era, node, since, until, lease, lease_ms, away_from) VALUES (
         max(coalesce((SELECT max(era) FROM eras), 0) + 1, coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'era'), 0)),
         ?1, ?2, ?2, ?3, ?4, ?5
       ) RETURNING era`,
      name,
      since,
      lease,
      lease_ms ?? null,
      away_from ?? null,
    );
    return (row as { era: number }).era;
  }

  beat(node: number, now: number, clock: number): boolean {
    const sql = 'UPDATE eras SET until = max(until, ?), lease = coalesce(? + lease_ms, lease) WHERE era = ? AND lease > 0';
    return this.#sql.run(sql, now, clock, node) > 0;
  }

  end(node: number, now: number): void {
    this.#sql.run('UPDATE eras SET until = max(until, ?), lease = 0 WHERE era = ? AND lease > 0', now, node);
  }

  clearAttempts(node: number): void {
    this.#sql.run('UPDATE runs SET attempts = 0 WHERE attempts > 0 AND claimed_era = ?', node);
  }

  lease(node: number): number {
    return this.#sql.get<{ lease: number }>('SELECT lease FROM eras WHERE era = ?', node)?.lease ?? 0;
  }

  named(node: number): Omit<HeldElsewhere, 'holder'> {
    const row = this.#sql.get<{ name: string; lease_ms: number | null }>('SELECT node AS name, lease_ms FROM eras WHERE era = ?', node);
    const lease_ms = row?.lease_ms ?? undefined;
    return { name: row?.name ?? '', ...(lease_ms === undefined ? {} : { lease_ms }) };
  }

  last(node: number): number | undefined {
    return this.#sql.get<{ until: number }>('SELECT until FROM eras WHERE era = ?', node)?.until;
  }

  lost(clock: number): number[] {
    // Steps from one holder to the next in the index; there are few of them, however many runs each holds.
    const rows = this.#sql.all<{ node: number }>(
      `WITH RECURSIVE holders (node) AS (
         SELECT min(claimed_era) FROM runs WHERE parked = 0 AND lifecycle <> 'ended'
         UNION ALL
         SELECT (SELECT min(claimed_era) FROM runs WHERE claimed_era > node AND parked = 0 AND lifecycle <> 'ended')
         FROM holders WHERE node IS NOT NULL
       ) SELECT node FROM holders WHERE node IS NOT NULL AND node NOT IN (SELECT era FROM eras WHERE lease > ?)`,
      clock,
    );
    return rows.map(({ node }) => node);
  }

  sign(node: number, at: number): boolean {
    return this.#sql.run('UPDATE eras SET until = ?1 WHERE era = ?2 AND until < ?1', at, node) > 0;
  }

  all(clock: number, since: number, most: number): ReturnType<NodeRows['all']> {
    return this.#sql.all(
      `SELECT era AS node, node AS name, since, until AS seen_at, iif(lease > ?1, lease, 0) AS lease,
         (SELECT count(*) FROM runs WHERE claimed_era = era AND parked = 0 AND lifecycle <> 'ended') AS runs
       FROM eras WHERE lease > ?1 OR until >= ?2 OR era IN (SELECT claimed_era FROM runs WHERE parked = 0 AND lifecycle <> 'ended')
       ORDER BY lease > ?1 DESC, era DESC LIMIT ?3`,
      clock,
      since,
      most,
    );
  }

  downtimes(): Downtime[] {
    return this.#sql.all('SELECT away_from AS "from", since AS "until" FROM eras WHERE away_from IS NOT NULL ORDER BY era');
  }
}
