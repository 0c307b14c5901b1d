/** Lists and removals for operators, and the upkeep of a host. The front door decides who may do which. */
import { mayHear } from '@corral/policy/flow/labels';
import { CorralError } from '@corral/protocol/errors';
import type { Names } from '@corral/protocol/model/label';
import type { ListedEntry, MemoryRemoval, MemoryValue, MemoryWanted, Removed, SpaceRow } from '@corral/protocol/ports/memory';
import { entryOf, type Entries } from './entries.ts';
import { bodyOf, HEAD, headOf, ownOf, type EntryRow, type Space, type Tables } from './tables.ts';

/** Entries that one step of a removal looks at, and the time after which it ends: other tenants wait for the thread meanwhile. */
const LOOKED = 500;
const STEP_MS = 20;
/** A removal goes through the spaces of a tenant, and through the entries of each in the order of their versions. */
interface Place {
  readonly space: number;
  readonly version: number;
}
const START: Place = { space: 0, version: 0 };
type Step = Removed & { readonly next?: Place };
const NOTHING: Step = { entries: 0, bytes: 0 };

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

  /**
   * A step of a removal: it looks at some entries from a place on.
   * @param names only entries whose labels allow these; undefined: all
   */
  drop({ tenant, memory, owner, name, prefix, run }: MemoryRemoval, dryRun: boolean, names?: Names, from: Place = START): Step {
    const spaces = `FROM spaces WHERE tenant = ?1 AND (?2 IS NULL OR memory = ?2) AND (?3 IS NULL OR owner = ?3)`;
    const wanted = [tenant, memory ?? null, owner ?? null] as const;
    const space = this.#tables.get<{ n: number }>(`SELECT n ${spaces} AND n >= ?4 ORDER BY n LIMIT 1`, ...wanted, from.space)?.n;
    if (space === undefined) {
      // The key of an empty space could open copies of its former entries. A later write makes a new one.
      if (!dryRun) this.#tables.run(`DELETE ${spaces} AND entries = 0`, ...wanted);
      this.#tables.doubt();
      return NOTHING;
    }
    const rows = this.#tables.all<EntryRow & { readonly fits: 0 | 1 }>(
      `SELECT ${HEAD}, (?3 IS NULL OR name = ?3) AND (?4 IS NULL OR substr(name, 1, length(?4)) = ?4)
         AND (?5 IS NULL OR EXISTS (SELECT 1 FROM writers WHERE entry = entries.n AND run = ?5)) AS fits
       FROM entries WHERE space = ?1 AND version > ?2 ORDER BY version LIMIT ${LOOKED}`,
      space,
      space === from.space ? from.version : 0,
      name ?? null,
      prefix ?? null,
      run ?? null,
    );
    const end = performance.now() + STEP_MS;
    let [entries, bytes] = [0, 0];
    for (const row of rows) {
      if (row.fits === 1 && (names === undefined || this.#isFor(space, row, names))) {
        if (!dryRun) this.#entries.delete(space, tenant, [row]);
        entries += 1;
        bytes += row.bytes;
      }
      if (performance.now() >= end) return { entries, bytes, next: { space, version: row.version } };
    }
    const last = rows.length < LOOKED ? undefined : rows.at(-1);
    return { entries, bytes, next: last === undefined ? { space: space + 1, version: 0 } : { space, version: last.version } };
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

  #isFor(space: number, row: EntryRow, names: Names): boolean {
    const { label } = headOf(this.#opened(space), row);
    return label === undefined || mayHear(label, names);
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
