/**
 * Reads and writes of agents in a space. Each write is one transaction with its row in `calls`, which has its answer: a call that is made again
 * after a crash finds it and changes nothing. A caller who may not read an entry may not replace it either, and is not shown it in lists.
 */
import { Paths, prepare, whyNot } from '@corral/policy/capability/predicate';
import { CorralError } from '@corral/protocol/errors';
import { MEMORY, MEMORY_ENTRY_BYTES } from '@corral/protocol/limits-memory';
import {
  aboutOf,
  type MemoryCaller,
  type MemoryEntry,
  type MemoryPage,
  type MemoryPut,
  type MemoryValue,
  type MemoryWanted,
  type MemoryWritten,
  type SpaceBounds,
  type SpaceName,
} from '@corral/protocol/ports/memory';
import { SEAL_BYTES } from '../core/seal.ts';
import { joined, keptOf, mayRead, written } from './labels.ts';
import {
  bodyOf,
  HEAD,
  headOf,
  ownOf,
  sealedBody,
  sealedHead,
  wordKey,
  type EntryRow,
  type Head,
  type Space,
  type Tables,
} from './tables.ts';
import { indexed, soughtBy } from './words.ts';

/** Expired entries that one step of a write or of a sweep deletes. */
const SWEPT = 100;
/**
 * Entries that one step of a list, or a recall, looks at: the label of each is opened, and other tenants wait for the thread meanwhile. Values are
 * opened only for the page, which is bounded in bytes.
 */
const LOOKED = MEMORY.memory_looked.default;
/** After the last character of all names that begin with the same ones. */
const LAST = '\u{10ffff}';

export class Entries {
  readonly #tables: Tables;
  readonly #now: () => number;

  constructor(tables: Tables, now: () => number) {
    this.#tables = tables;
    this.#now = now;
  }

  get(name: SpaceName, caller: MemoryCaller, entry: string): MemoryValue | undefined {
    const space = this.#tables.space(name);
    const row = space && this.#row(space, entry);
    if (space === undefined || row === undefined) return undefined;
    const head = headOf(space, row);
    mustRead(head, caller, entry);
    return { ...entryOf(row), value: this.#body(space, row), kept: ownOf(head) };
  }

  put(name: SpaceName, caller: MemoryCaller, put: MemoryPut, bounds: SpaceBounds): MemoryWritten {
    return this.#once(caller, () => {
      const now = this.#now();
      const space = this.#tables.made(name, now);
      const before = this.#row(space, put.name, false);
      const there = before !== undefined && isThere(before, now) ? before : undefined;
      const old = there && headOf(space, there);
      if (old !== undefined) mustRead(old, caller, put.name);
      if (put.version !== undefined && put.version !== (there?.version ?? 0))
        return { done: false, version: there?.version ?? 0, bytes: sizeOf(there) };
      const appends = put.append === true && there !== undefined && old !== undefined;
      const value = appends ? Buffer.concat([this.#body(space, there), put.value]) : put.value;
      if (value.length > put.value_bytes)
        throw full(`${put.name} would have ${value.length} bytes, and one value may have ${put.value_bytes}.`);
      const mine = written(caller, now);
      const head = appends ? joined(mine, old) : mine;
      const bytes = Buffer.byteLength(put.name) + value.length + MEMORY_ENTRY_BYTES;
      this.#mustFit(space, { entries: before === undefined ? 1 : 0, bytes: bytes - (before?.bytes ?? 0) }, bounds, before?.n);
      const version = this.#next(space, now);
      const n = this.#write(space, before?.n, { name: put.name, version, head, value, bytes, at: now, ttl_ms: put.ttl_ms });
      this.#count(space, before === undefined ? 1 : 0, bytes - (before?.bytes ?? 0));
      this.#note(n, { space, run: caller.run, appends, words: put.words });
      return { done: true, version, bytes: value.length };
    });
  }

  remove(name: SpaceName, caller: MemoryCaller, entry: string, version?: number): MemoryWritten {
    return this.#once(caller, () => {
      const space = this.#tables.space(name);
      const row = space && this.#row(space, entry);
      if (space === undefined || row === undefined) return { done: version === 0, version: 0, bytes: 0 };
      mustRead(headOf(space, row), caller, entry);
      if (version !== undefined && version !== row.version) return { done: false, version: row.version, bytes: sizeOf(row) };
      this.delete(space.n, space.tenant, [row]);
      return { done: true, version: 0, bytes: sizeOf(row) };
    });
  }

  /** @returns `behind`: none of the entries that were looked at is for the caller, and the page begins after this name, which is not for them either */
  list(
    name: SpaceName,
    caller: MemoryCaller,
    { prefix, after, limit }: MemoryWanted & { readonly after?: string | undefined },
  ): MemoryPage & { readonly behind?: string } {
    const space = this.#tables.space(name);
    const page = new Page<MemoryEntry>(limit);
    if (space === undefined) return page.end();
    const isWithin = withinOf(name, caller);
    let looked = 0;
    for (const row of this.named(space.n, prefix, after)) {
      const isLast = (looked += 1) === LOOKED;
      const head = isThere(row, this.#now()) && isWithin(row.name) ? headOf(space, row) : undefined;
      if (head !== undefined && mayRead(head, caller) && !page.take(entryOf(row), head, Buffer.byteLength(row.name))) break;
      if (isLast) return page.isEmpty ? { ...page.end(), behind: row.name } : page.end(true);
    }
    return page.end();
  }

  recall(
    name: SpaceName,
    caller: MemoryCaller,
    { prefix, words, limit }: MemoryWanted & { readonly words: string },
  ): MemoryPage<MemoryValue> {
    const space = this.#tables.space(name);
    const page = new Page<MemoryValue>(limit);
    if (space === undefined) return page.end();
    const isWithin = withinOf(name, caller);
    for (const row of this.#found(space, prefix, words)) {
      if (!isThere(row, this.#now()) || !isWithin(row.name)) continue;
      const head = headOf(space, row);
      if (!mayRead(head, caller)) continue;
      const value = { ...entryOf(row), value: this.#body(space, row), kept: ownOf(head) };
      if (!page.take(value, head, value.value.length + Buffer.byteLength(row.name))) break;
    }
    const { next: _, ...whole } = page.end();
    return whole;
  }

  /** Rows of a space whose names begin alike, in the order of their names; those that have expired too. */
  named(space: number, prefix: string, after = ''): Iterable<EntryRow> {
    return this.#tables.each<EntryRow>(
      `SELECT ${HEAD} FROM entries WHERE space = ? AND name >= ? AND name < ? AND name > ? ORDER BY name`,
      space,
      prefix,
      prefix + LAST,
      after,
    );
  }

  /** Deletes rows of one space with all that is about them. */
  delete(space: number, tenant: string, rows: readonly Pick<EntryRow, 'n' | 'bytes'>[]): void {
    const tables = this.#tables;
    let bytes = 0;
    for (const row of rows) {
      this.#unindex(row.n);
      tables.run('DELETE FROM writers WHERE entry = ?', row.n);
      tables.run('DELETE FROM entries WHERE n = ?', row.n);
      bytes += row.bytes;
    }
    this.#count({ n: space, tenant }, -rows.length, -bytes);
  }

  /** Deletes some entries that have expired. @param tenant only of this one @returns whether there may be more */
  sweep(most = SWEPT, tenant?: string, except = -1): boolean {
    const rows = this.#tables.all<{ n: number; bytes: number; space: number; tenant: string }>(
      `SELECT entries.n, entries.bytes, space, tenant FROM entries JOIN spaces ON spaces.n = space
       WHERE expires_at <= ? AND (?2 IS NULL OR tenant = ?2) AND entries.n <> ?3 LIMIT ${most}`,
      this.#now(),
      tenant ?? null,
      except,
    );
    for (const [space, own] of Map.groupBy(rows, (row) => row.space)) this.delete(space, own[0]?.tenant ?? '', own);
    return rows.length === most;
  }

  #found(space: Space, prefix: string, words: string): Iterable<EntryRow> {
    const query = soughtBy(wordKey(space), words);
    const named = [space.n, prefix, prefix + LAST] as const;
    if (query === undefined)
      return this.#tables.each<EntryRow>(
        `SELECT ${HEAD} FROM entries WHERE space = ? AND name >= ? AND name < ? ORDER BY version DESC LIMIT ${LOOKED}`,
        ...named,
      );
    return this.#tables.each<EntryRow>(
      `SELECT ${HEAD} FROM words JOIN entries ON entries.n = words.rowid
       WHERE words MATCH ? AND space = ? AND name >= ? AND name < ? ORDER BY rank, version DESC LIMIT ${LOOKED}`,
      query,
      ...named,
    );
  }

  /** Does a write, or gives the answer of the call that did it. */
  #once(caller: MemoryCaller, work: () => MemoryWritten): MemoryWritten {
    const { run, call, answered_below = 0 } = caller;
    const known = this.#tables.get<{ answer: string }>('SELECT answer FROM calls WHERE run = ? AND call = ?', run, call);
    if (known !== undefined) return JSON.parse(known.answer) as MemoryWritten;
    const answer = work();
    this.#tables.run('DELETE FROM calls WHERE run = ? AND call < ?', run, answered_below);
    this.#tables.run('INSERT INTO calls (run, call, answer) VALUES (?, ?, ?)', run, call, JSON.stringify(answer));
    return answer;
  }

  /** @param present only one that has not expired */
  #row(space: Space, name: string, present = true): EntryRow | undefined {
    const row = this.#tables.get<EntryRow>(`SELECT ${HEAD} FROM entries WHERE space = ? AND name = ?`, space.n, name);
    return row === undefined || (present && !isThere(row, this.#now())) ? undefined : row;
  }

  #body(space: Space, row: Pick<EntryRow, 'n' | 'name' | 'version'>): Buffer {
    const { body } = this.#tables.get<{ body: Uint8Array }>('SELECT body FROM entries WHERE n = ?', row.n) as { body: Uint8Array };
    return bodyOf(space, row, body);
  }

  #next(space: Space, now: number): number {
    const sql = 'UPDATE spaces SET seq = seq + 1, at = ? WHERE n = ? RETURNING seq';
    return (this.#tables.get<{ seq: number }>(sql, now, space.n) as { seq: number }).seq;
  }

  /** @param n of the entry that it replaces @returns that of the entry */
  #write(space: Space, n: number | undefined, one: Written): number {
    const { name, version, head, value, bytes, at, ttl_ms } = one;
    const place = { name, version };
    const sealed = [
      version,
      sealedHead(space, place, head),
      sealedBody(space, place, value),
      bytes,
      at,
      ttl_ms === undefined ? null : at + ttl_ms,
    ];
    if (n === undefined)
      return this.#tables.run(
        'INSERT INTO entries (version, head, body, bytes, at, expires_at, space, name) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
        ...sealed,
        space.n,
        name,
      );
    this.#tables.run('UPDATE entries SET version = ?, head = ?, body = ?, bytes = ?, at = ?, expires_at = ? WHERE n = ?', ...sealed, n);
    return n;
  }

  /** Notes the writer of an entry, and the words that it is found by. */
  #note(n: number, { space, run, appends, words }: { space: Space; run: string; appends: boolean; words: string | undefined }): void {
    if (!appends) this.#tables.run('DELETE FROM writers WHERE entry = ?', n);
    this.#tables.run('INSERT OR IGNORE INTO writers (entry, run) VALUES (?, ?)', n, run);
    if (words === undefined) return;
    this.#unindex(n);
    const hashes = indexed(wordKey(space), words);
    this.#tables.run('INSERT INTO hashed (entry, hashes) VALUES (?, ?)', n, hashes);
    this.#tables.run('INSERT INTO words (rowid, hashes) VALUES (?, ?)', n, hashes);
  }

  /** The index is told which hashes leave it. */
  #unindex(n: number): void {
    this.#tables.run("INSERT INTO words (words, rowid, hashes) SELECT 'delete', entry, hashes FROM hashed WHERE entry = ?", n);
    this.#tables.run('DELETE FROM hashed WHERE entry = ?', n);
  }

  #count({ n, tenant }: Pick<Space, 'n' | 'tenant'>, entries: number, bytes: number): void {
    this.#tables.run('UPDATE spaces SET entries = entries + ?, bytes = bytes + ? WHERE n = ?', entries, bytes, n);
    this.#tables.run(
      `INSERT INTO tenants (tenant, entries, bytes) VALUES (?, ?, ?)
       ON CONFLICT (tenant) DO UPDATE SET entries = entries + excluded.entries, bytes = bytes + excluded.bytes`,
      tenant,
      entries,
      bytes,
    );
  }

  /** @param except the entry that is replaced, which is not swept even if it has expired @throws CORRAL_MEMORY_FULL */
  #mustFit(space: Space, more: { readonly entries: number; readonly bytes: number }, bounds: SpaceBounds, except?: number): void {
    for (let isMore = true; ; isMore = this.sweep(SWEPT, space.tenant, except)) {
      const why = this.#lacks(space, more, bounds);
      if (why === undefined) return;
      if (!isMore) throw full(why);
    }
  }

  #lacks(
    { n, tenant, memory }: Space,
    more: { readonly entries: number; readonly bytes: number },
    bounds: SpaceBounds,
  ): string | undefined {
    const here = this.#tables.get<Sums>('SELECT entries, bytes FROM spaces WHERE n = ?', n) ?? NONE;
    const all = this.#tables.get<Sums>('SELECT entries, bytes FROM tenants WHERE tenant = ?', tenant) ?? NONE;
    const past = (have: Sums, what: 'entries' | 'bytes', most: number, whose: string) =>
      more[what] > 0 && have[what] + more[what] > most
        ? `${whose} has ${have[what]} ${what}, this would add ${more[what]}, and at most ${most} are kept.`
        : undefined;
    return (
      past(here, 'entries', bounds.entries, memory) ??
      past(here, 'bytes', bounds.bytes, memory) ??
      past(all, 'entries', bounds.tenant_entries, `The tenant ${tenant}`) ??
      past(all, 'bytes', bounds.tenant_bytes, `The tenant ${tenant}`)
    );
  }
}

interface Written {
  readonly name: string;
  readonly version: number;
  readonly head: Head;
  readonly value: Uint8Array;
  readonly bytes: number;
  readonly at: number;
  readonly ttl_ms: number | undefined;
}

interface Sums {
  readonly entries: number;
  readonly bytes: number;
}
const NONE: Sums = { entries: 0, bytes: 0 };

/** Collects entries up to a number and a size. One entry is always shown, so that a list goes on. */
class Page<Entry extends MemoryEntry> {
  readonly #limit: number;
  readonly #entries: Entry[] = [];
  readonly #heads: Head[] = [];
  #bytes = 0;
  #more = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @returns false if it does not fit any more */
  take(entry: Entry, head: Head, bytes: number): boolean {
    this.#bytes += bytes + MEMORY_ENTRY_BYTES / 2;
    this.#more = this.#entries.length >= this.#limit || (this.#entries.length > 0 && this.#bytes > MEMORY.memory_page_bytes.default);
    if (this.#more) return false;
    this.#entries.push(entry);
    this.#heads.push(head);
    return true;
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** @param more whether there may be more in any case */
  end(more = false): MemoryPage<Entry> {
    const next = this.#more || more ? this.#entries.at(-1)?.name : undefined;
    return { entries: this.#entries, ...(next === undefined ? {} : { next }), kept: keptOf(this.#heads) };
  }
}

const isThere = ({ expires_at }: Pick<EntryRow, 'expires_at'>, now: number): boolean => expires_at === null || expires_at > now;
const sizeOf = (row: Pick<EntryRow, 'size'> | undefined): number => (row === undefined ? 0 : row.size - SEAL_BYTES);

export const entryOf = ({ name, version, at, expires_at, size }: EntryRow): MemoryEntry => ({
  name,
  version,
  bytes: sizeOf({ size }),
  at,
  ...(expires_at === null ? {} : { expires_at }),
});

/** Whether the capability of a caller covers an entry, by its name. */
function withinOf({ kind }: SpaceName, { within = [] }: MemoryCaller): (name: string) => boolean {
  const conditions = within.map((one) => prepare(one));
  const paths = new Paths();
  return (name) => conditions.every((one) => whyNot(one, kind === 'memory' ? aboutOf(name) : name, paths) === undefined);
}

const full = (why: string): CorralError => new CorralError('CORRAL_MEMORY_FULL', why);

function mustRead(head: Head, caller: MemoryCaller, name: string): void {
  if (mayRead(head, caller)) return;
  throw new CorralError('CORRAL_MEMORY_PRIVATE', `${name} is private, and was kept in a run for somebody else than ${caller.person}.`);
}
