/** The events of a host in `front.db`, by number; see `packages/protocol/src/ports/events.ts`. */
import type { EventRow, EventTable } from '@corral/protocol/ports/events';
import type { FrontDatabase } from './database.ts';

interface Row extends Omit<EventRow, 'data' | 'place' | 'tenant'> {
  readonly tenant: string;
  readonly data: string | null;
  readonly entry: number | null;
  readonly part: number | null;
}

/** In the place of a tenant: events of the host, and a reset for all followers. */
const HOST = '';
const ALL = '*';
/** Approximate bytes of a row and its places in the indexes, besides its data. */
const ROW_BYTES = 160;
/** Rows that are deleted at once. */
const SLICE = 1_000;
/** Starts of the host that are known, so that ids of their events are understood. */
const ERAS = 1_000;

export class Events implements EventTable {
  readonly #db: FrontDatabase;

  constructor(db: FrontDatabase) {
    this.#db = db;
  }

  begin(era: number, complete: boolean, at: number): number {
    const { last } = this.#db.get<{ last: number }>(
      'SELECT max(coalesce((SELECT max(n) FROM events), 0), coalesce((SELECT max(forgotten) FROM event_tenants), 0)) AS last',
    ) as { last: number };
    const isNew = this.#db.get('SELECT 1 FROM event_eras LIMIT 1') === undefined;
    this.#db.run('INSERT OR REPLACE INTO event_eras (era, first) VALUES (?, ?)', era, last + 1);
    this.#db.run('DELETE FROM event_eras WHERE era <= ?', era - ERAS);
    if (complete || isNew) return last;
    this.#put([{ n: last + 1, era, at, kind: 'reset', tenant: null, run: null, agent: null, data: '{}', place: undefined }]);
    return last + 1;
  }

  add(rows: readonly EventRow[]): void {
    this.#db.together(() => this.#put(rows), false);
  }

  page(from: number, tenant: string | undefined, limit: number): EventRow[] {
    const rows =
      tenant === undefined
        ? this.#db.all<Row>('SELECT * FROM events WHERE n >= ? ORDER BY n LIMIT ?', from, limit)
        : this.#db.all<Row>(
            `SELECT * FROM (SELECT * FROM events WHERE tenant = ?1 AND n >= ?2 ORDER BY n LIMIT ?3) UNION ALL
            SELECT * FROM (SELECT * FROM events WHERE tenant = '${ALL}' AND n >= ?2 ORDER BY n LIMIT ?3) ORDER BY n LIMIT ?3`,
            tenant,
            from,
            limit,
          );
    return rows.map(({ n, era, at, kind, run, agent, entry, part, data, tenant: of }) => ({
      n,
      era,
      at,
      kind,
      run,
      agent,
      tenant: of === HOST || of === ALL ? null : of,
      data: data ?? undefined,
      place: entry === null || part === null ? undefined : { entry, part },
    }));
  }

  forgotten(tenant: string | undefined): number {
    const row = this.#db.get<{ n: number | null }>(
      'SELECT max(forgotten) AS n FROM event_tenants WHERE ?1 IS NULL OR tenant = ?1',
      tenant ?? null,
    );
    return row?.n ?? 0;
  }

  numberOf(era: number, n: number): number | undefined {
    const own = this.#db.get<{ first: number }>('SELECT first FROM event_eras WHERE era = ?', era);
    if (own === undefined || n < own.first - 1) return undefined;
    const next = this.#db.get<{ first: number }>('SELECT first FROM event_eras WHERE era > ? ORDER BY era LIMIT 1', era);
    return next === undefined ? n : Math.min(n, next.first - 1);
  }

  forget(before: number, bytes: { readonly tenant: number; readonly all: number }): boolean {
    const held = this.#db.all<{ tenant: string; bytes: number }>('SELECT tenant, bytes FROM event_tenants ORDER BY bytes DESC');
    const all = held.reduce((sum, one) => sum + one.bytes, 0);
    let more = false;
    for (const [i, { tenant, bytes: has }] of held.entries()) {
      // The tenant with the most gives way where all together have too much.
      const beyond = Math.max(has - bytes.tenant, i === 0 ? all - bytes.all : 0);
      more = this.#forgetOf(tenant, before, beyond) || more;
    }
    return more;
  }

  /** @param beyond bytes to be freed */
  #forgetOf(tenant: string, before: number, beyond: number): boolean {
    const oldest = this.#db.all<{ n: number; at: number; bytes: number }>(
      'SELECT n, at, bytes FROM events WHERE tenant = ? ORDER BY n LIMIT ?',
      tenant,
      SLICE,
    );
    let [upTo, freed, count] = [0, 0, 0];
    for (const { n, at, bytes } of oldest) {
      if (at >= before && freed >= beyond) break;
      [upTo, freed, count] = [n, freed + bytes, count + 1];
    }
    if (count === 0) return false;
    this.#db.together(() => {
      this.#db.run('DELETE FROM events WHERE tenant = ? AND n <= ?', tenant, upTo);
      this.#db.run('UPDATE event_tenants SET forgotten = ?, bytes = max(0, bytes - ?) WHERE tenant = ?', upTo, freed, tenant);
    });
    return count === SLICE;
  }

  #put(rows: readonly EventRow[]): void {
    const added = new Map<string, number>();
    for (const { n, era, at, kind, tenant, run, agent, data, place } of rows) {
      const of = tenant ?? (kind === 'reset' ? ALL : HOST);
      const bytes = ROW_BYTES + (data === undefined ? 0 : Buffer.byteLength(data));
      added.set(of, (added.get(of) ?? 0) + bytes);
      this.#db.run(
        'INSERT OR REPLACE INTO events (n, era, at, kind, tenant, run, agent, data, entry, part, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
        n,
        era,
        at,
        kind,
        of,
        run,
        agent,
        data ?? null,
        place?.entry ?? null,
        place?.part ?? null,
        bytes,
      );
    }
    for (const [tenant, bytes] of added)
      this.#db.run(
        'INSERT INTO event_tenants (tenant, bytes) VALUES (?, ?) ON CONFLICT (tenant) DO UPDATE SET bytes = bytes + excluded.bytes',
        tenant,
        bytes,
      );
  }
}
