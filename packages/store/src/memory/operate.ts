/** Lists and removals for operators, and the upkeep of a host. The front door decides who may do which. */
import { CorralError } from '@corral/protocol/errors';
import type { ListedEntry, MemoryRemoval, MemoryValue, MemoryWanted, Removed, SpaceRow } from '@corral/protocol/ports/memory';
import { entryOf, type Entries } from './entries.ts';
import { bodyOf, HEAD, headOf, ownOf, type EntryRow, type Space, type Tables } from './tables.ts';

const ROW = 'n AS id, tenant, memory, kind, owner, entries, bytes, at';

export class Operations {
  readonly #tables: Tables;
  readonly #entries: Entries;
  readonly #now: () => number;

  constructor(tables: Tables, entries: Entries, now: () => number) {
    this.#tables = tables;
    this.#entries = entries;
    this.#now = now;
  }

  spaces(wanted: { readonly tenant?: string; readonly memory?: string; readonly after: number; readonly limit: number }): SpaceRow[] {
    const { tenant, memory, after, limit } = wanted;
    return this.#tables.all<SpaceRow>(
      `SELECT ${ROW} FROM spaces WHERE n > ?1 AND (?2 IS NULL OR tenant = ?2) AND (?3 IS NULL OR memory = ?3) ORDER BY n LIMIT ?4`,
      after,
      tenant ?? null,
      memory ?? null,
      limit,
    );
  }

  space(id: number): SpaceRow | undefined {
    return this.#tables.get<SpaceRow>(`SELECT ${ROW} FROM spaces WHERE n = ?`, id);
  }

  entries(
    id: number,
    { prefix, before = Number.MAX_SAFE_INTEGER, limit }: MemoryWanted & { readonly before?: number },
  ): { readonly entries: readonly ListedEntry[]; readonly more: boolean } {
    const space = this.#opened(id);
    const rows = this.#tables.all<EntryRow>(
      `SELECT ${HEAD} FROM entries WHERE space = ?1 AND version < ?2 AND substr(name, 1, length(?3)) = ?3
       AND (expires_at IS NULL OR expires_at > ?4) ORDER BY version DESC LIMIT ?5`,
      id,
      before,
      prefix,
      this.#now(),
      limit + 1,
    );
    const entries = rows.slice(0, limit).map((row) => ({ ...entryOf(row), kept: ownOf(headOf(space, row)) }));
    return { entries, more: rows.length > limit };
  }

  read(id: number, name: string): MemoryValue | undefined {
    const space = this.#opened(id);
    const row = this.#tables.get<EntryRow & { readonly body: Uint8Array }>(
      `SELECT ${HEAD}, body FROM entries WHERE space = ? AND name = ?`,
      id,
      name,
    );
    if (row === undefined || (row.expires_at !== null && row.expires_at <= this.#now())) return undefined;
    return { ...entryOf(row), value: bodyOf(space, row, row.body), kept: ownOf(headOf(space, row)) };
  }

  drop({ tenant, memory, owner, name, prefix, run }: MemoryRemoval, dryRun: boolean): Removed {
    const rows = this.#tables.all<{ n: number; bytes: number; space: number }>(
      `SELECT entries.n, entries.bytes, space FROM entries JOIN spaces ON spaces.n = space
       WHERE tenant = ?1 AND (?2 IS NULL OR memory = ?2) AND (?3 IS NULL OR owner = ?3) AND (?4 IS NULL OR name = ?4)
       AND (?5 IS NULL OR substr(name, 1, length(?5)) = ?5)
       AND (?6 IS NULL OR EXISTS (SELECT 1 FROM writers WHERE entry = entries.n AND run = ?6))`,
      tenant,
      memory ?? null,
      owner ?? null,
      name ?? null,
      prefix ?? null,
      run ?? null,
    );
    const removed = { entries: rows.length, bytes: rows.reduce((sum, { bytes }) => sum + bytes, 0) };
    if (dryRun) return removed;
    for (const [space, own] of Map.groupBy(rows, (row) => row.space)) this.#entries.delete(space, tenant, own);
    // The key of an empty space could open copies of its former entries. A later write makes a new one.
    this.#tables.run(
      'DELETE FROM spaces WHERE tenant = ?1 AND (?2 IS NULL OR memory = ?2) AND (?3 IS NULL OR owner = ?3) AND entries = 0',
      tenant,
      memory ?? null,
      owner ?? null,
    );
    this.#tables.doubt();
    return removed;
  }

  sweep(): boolean {
    return this.#entries.sweep();
  }

  callers(after: string, limit: number): string[] {
    return this.#tables
      .all<{ run: string }>('SELECT DISTINCT run FROM calls WHERE run > ? ORDER BY run LIMIT ?', after, limit)
      .map(({ run }) => run);
  }

  settled(runs: readonly string[]): void {
    for (const run of runs) this.#tables.run('DELETE FROM calls WHERE run = ?', run);
  }

  #opened(id: number): Space {
    const row = this.#tables.get<SpaceRow & { readonly n: number; readonly key: Uint8Array; readonly key_version: number }>(
      `SELECT ${ROW}, n, key, key_version FROM spaces WHERE n = ?`,
      id,
    );
    if (row === undefined) throw new CorralError('CORRAL_MEMORY_UNKNOWN', `There is no memory ${id} here.`);
    return this.#tables.opened(row, row);
  }
}
