/** A connection to `memory.db`: statements, spaces with their keys, and the sealed parts of entries. */
import { createHmac, hash } from 'node:crypto';
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { KeyRing } from '@corral/protocol/ports/machine';
import type { Kept, Label, Names, Writer } from '@corral/protocol/model/label';
import type { SpaceName } from '@corral/protocol/ports/memory';
import { newKey, seal, unseal } from '../core/seal.ts';

export interface Space extends SpaceName {
  readonly n: number;
  readonly key: Uint8Array;
}

interface SpaceKey {
  readonly n: number;
  readonly key_version: number;
  readonly key: Uint8Array;
}

/** A row of `entries` without its sealed parts. */
export interface EntryRow {
  readonly n: number;
  readonly name: string;
  readonly version: number;
  readonly bytes: number;
  readonly at: number;
  readonly expires_at: number | null;
  readonly head: Uint8Array;
  /** Length of the sealed value. */
  readonly size: number;
}

/** The sealed part of an entry besides its value. */
export interface Head {
  /** Absent: of some part nothing is known. */
  readonly label?: Label;
  readonly by: readonly Writer[];
  /** All people whose runs wrote a part; `*`: too many to name. */
  readonly people: Names;
}

export const HEAD = 'n, name, version, bytes, at, expires_at, head, length(body) AS size';
/** Unwrapped keys that are cached. */
const KEYS = 1_024;

export class Tables {
  readonly #db: DatabaseSync;
  readonly #keys: KeyRing;
  readonly #statements = new Map<string, StatementSync>();
  readonly #spaces = new Map<string, Space>();

  constructor(db: DatabaseSync, keys: KeyRing) {
    this.#db = db;
    this.#keys = keys;
  }

  get<T>(sql: string, ...values: SQLInputValue[]): T | undefined {
    return this.#statement(sql).get(...values) as T | undefined;
  }

  all<T>(sql: string, ...values: SQLInputValue[]): T[] {
    return this.#statement(sql).all(...values) as T[];
  }

  each<T>(sql: string, ...values: SQLInputValue[]): Iterable<T> {
    return this.#statement(sql).iterate(...values) as unknown as Iterable<T>;
  }

  /** @returns the number of the last row that was added */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...values).lastInsertRowid);
  }

  /** To be called after a rollback and when spaces were removed: spaces that are cached may not be there. */
  doubt(): void {
    this.#spaces.clear();
  }

  /** A space by its name; undefined if nothing was ever kept in it. */
  space(name: SpaceName): Space | undefined {
    const { tenant, memory, kind, owner } = name;
    const id = idOf(name);
    const known = this.#spaces.get(id);
    if (known !== undefined) return known;
    const row = this.get<SpaceKey>(
      'SELECT n, key_version, key FROM spaces WHERE tenant = ? AND memory = ? AND kind = ? AND owner = ?',
      tenant,
      memory,
      kind,
      owner,
    );
    return row && this.opened(name, row);
  }

  /** The same, made where there is none. */
  made(name: SpaceName, now: number): Space {
    const known = this.space(name);
    if (known !== undefined) return known;
    const { tenant, memory, kind, owner } = name;
    const key = newKey();
    const { version, wrapped } = this.#keys.wrap(tenant, key, placeOf(name));
    const n = this.run(
      'INSERT INTO spaces (tenant, memory, kind, owner, key_version, key, at) VALUES (?, ?, ?, ?, ?, ?, ?)',
      tenant,
      memory,
      kind,
      owner,
      version,
      wrapped,
      now,
    );
    return this.#cached(name, n, key);
  }

  opened(name: SpaceName, { n, key, key_version }: SpaceKey): Space {
    return this.#cached(name, n, this.#keys.unwrap(name.tenant, { version: key_version, wrapped: key }, placeOf(name)));
  }

  #cached(name: SpaceName, n: number, key: Uint8Array): Space {
    if (this.#spaces.size >= KEYS) this.#spaces.clear();
    const space: Space = { tenant: name.tenant, memory: name.memory, kind: name.kind, owner: name.owner, n, key };
    this.#spaces.set(idOf(name), space);
    return space;
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, (statement = this.#db.prepare(sql)));
    return statement;
  }
}

const idOf = ({ tenant, memory, kind, owner }: SpaceName): string => JSON.stringify([tenant, memory, kind, owner]);
/** The place that a key belongs to: it opens nothing as that of another space. */
const placeOf = (name: SpaceName): string => `memory:${hash('sha256', idOf(name))}`;
/** The key by which the words of a space are hashed. */
export const wordKey = ({ key }: Pick<Space, 'key'>): Uint8Array => createHmac('sha256', key).update('words').digest();

type Place = Pick<EntryRow, 'name' | 'version'>;
const within = ({ n }: Space, { name, version }: Place, part: 'head' | 'body'): string => `${n}:${version}:${hash('sha256', name)}:${part}`;

export const sealedHead = (space: Space, place: Place, head: Head): Buffer =>
  seal(space.key, within(space, place, 'head'), Buffer.from(JSON.stringify(head)));
export const sealedBody = (space: Space, place: Place, value: Uint8Array): Buffer => seal(space.key, within(space, place, 'body'), value);
export const headOf = (space: Space, row: Place & Pick<EntryRow, 'head'>): Head =>
  JSON.parse(unseal(space.key, within(space, row, 'head'), row.head).toString('utf8')) as Head;
export const bodyOf = (space: Space, place: Place, body: Uint8Array): Buffer => unseal(space.key, within(space, place, 'body'), body);

export const ownOf = ({ label, by }: Head): Kept => (label === undefined ? { by } : { label, by });
