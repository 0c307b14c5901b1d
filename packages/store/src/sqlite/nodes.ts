/**
 * The nodes at work on a store. Each join begins an era, whose number is the node's; a run belongs to the node that claimed it last. A
 * node is alive while its lease runs, by the clock of the store. Once its death was seen it stays dead, so two nodes never disagree about
 * it, and a time without any node is noted when the next one joins and never changes.
 */
import type { Downtime, HeldElsewhere } from '@corral/protocol/ports/store';
import type { Sql } from './sql.ts';

/** A lease that does not run out. */
const FOREVER = Number.MAX_SAFE_INTEGER;

export class Nodes {
  readonly #sql: Sql;
  /** Milliseconds since 1970. */
  readonly #clock: () => number;
  /** Those that joined through this connection and have not left. */
  readonly #own = new Set<number>();
  /** Time of the last entry that moved the end of an era, by node. Milliseconds since 1970. */
  readonly #moved = new Map<number, number>();

  constructor(sql: Sql, clock: () => number) {
    this.#sql = sql;
    this.#clock = clock;
  }

  /** Counts an opening for writing. */
  opened(): number {
    this.#moved.clear();
    const era = Number(this.#sql.get<{ value: string }>("SELECT value FROM meta WHERE name = 'era'")?.value ?? '0') + 1;
    this.#sql.run("INSERT INTO meta (name, value) VALUES ('era', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", String(era));
    return era;
  }

  join(name: string, now: number, lease_ms?: number): number {
    // Those whose lease has run out are dead from here on, or what is noted of a time without nodes could come to be wrong.
    this.#sql.run('UPDATE eras SET lease = 0 WHERE lease > 0 AND (lease <= ? OR node = ?)', this.#clock(), name);
    const row = this.#sql.get<{ era: number }>(
      `INSERT INTO eras (era, node, since, until, lease, lease_ms, away_from) VALUES (
         max(coalesce((SELECT max(era) FROM eras), 0) + 1, coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'era'), 0)),
         ?1, ?2, ?2, ?3, ?4,
         CASE WHEN EXISTS (SELECT 1 FROM eras WHERE lease > 0) THEN NULL ELSE (SELECT max(until) FROM eras) END
       ) RETURNING era`,
      name,
      now,
      this.#leaseFrom(lease_ms),
      lease_ms ?? null,
    );
    const { era } = row as { era: number };
    this.#own.add(era);
    return era;
  }

  beat(node: number, now: number): boolean {
    const sql = 'UPDATE eras SET until = max(until, ?), lease = coalesce(? + lease_ms, lease) WHERE era = ? AND lease > 0';
    return this.#sql.run(sql, now, this.#clock(), node) > 0;
  }

  leave(node: number, now?: number): void {
    this.#own.delete(node);
    this.#sql.run('UPDATE eras SET until = max(until, ?), lease = 0 WHERE era = ? AND lease > 0', now ?? 0, node);
    this.#sql.run('UPDATE runs SET attempts = 0 WHERE attempts > 0 AND claimed_era = ?', node);
  }

  /** All that joined through this connection leave. */
  leaveAll(): void {
    for (const node of this.#own) this.leave(node);
  }

  /** Whether the death of a node was seen. */
  isDead(node: number): boolean {
    return (this.#sql.get<{ lease: number }>('SELECT lease FROM eras WHERE era = ?', node)?.lease ?? 0) === 0;
  }

  /** Whether a node is alive to others; one that is not stays dead. */
  isAlive(node: number): boolean {
    const lease = this.#sql.get<{ lease: number }>('SELECT lease FROM eras WHERE era = ?', node)?.lease ?? 0;
    if (lease > this.#clock()) return true;
    if (lease > 0) this.#sql.run('UPDATE eras SET lease = 0 WHERE era = ?', node);
    return false;
  }

  /** A node as others see it that want one of its runs. */
  holder(node: number): HeldElsewhere {
    const { name = '', lease_ms } =
      this.#sql.get<{ name: string; lease_ms: number | null }>('SELECT node AS name, lease_ms FROM eras WHERE era = ?', node) ?? {};
    return { holder: node, name, ...(typeof lease_ms === 'number' ? { lease_ms } : {}) };
  }

  /** Dead nodes that hold runs still. Only reads, so that a death may be looked for without being declared. */
  dead(): number[] {
    // Steps from one holder to the next in the index; there are few of them, however many runs each holds.
    const rows = this.#sql.all<{ node: number }>(
      `WITH RECURSIVE holders (node) AS (
         SELECT min(claimed_era) FROM runs WHERE parked = 0 AND lifecycle <> 'ended'
         UNION ALL
         SELECT (SELECT min(claimed_era) FROM runs WHERE claimed_era > node AND parked = 0 AND lifecycle <> 'ended')
         FROM holders WHERE node IS NOT NULL
       ) SELECT node FROM holders WHERE node IS NOT NULL AND node NOT IN (SELECT era FROM eras WHERE lease > ?)`,
      this.#clock(),
    );
    return rows.map(({ node }) => node);
  }

  /**
   * An entry is a sign of life of the node that wrote it, so that no time without a node reaches back before an entry: what a run's wall
   * clock made of one as it was written stays true once a later node reads it back. Entries of the same millisecond cost one statement.
   */
  entry(node: number, at: number): void {
    if (at <= (this.#moved.get(node) ?? 0)) return;
    if (this.#sql.run('UPDATE eras SET until = ?1 WHERE era = ?2 AND until < ?1', at, node) > 0) this.#moved.set(node, at);
  }

  downtimes(): Downtime[] {
    return this.#sql.all<Downtime>('SELECT away_from AS "from", since AS "until" FROM eras WHERE away_from IS NOT NULL ORDER BY era');
  }

  /** A transaction was rolled back: what was moved may not have been. */
  doubt(): void {
    this.#moved.clear();
  }

  #leaseFrom(lease_ms: number | undefined): number {
    return lease_ms === undefined ? FOREVER : this.#clock() + lease_ms;
  }
}
