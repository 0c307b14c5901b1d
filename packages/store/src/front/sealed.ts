/** Texts of the host itself under its key ring. A text that is replaced or removed takes its key along. */
import { hash } from 'node:crypto';
import type { KeyRing } from '@corral/protocol/ports/machine';
import type { SealedTexts } from '@corral/protocol/ports/sealed';
import { newKey, seal, unseal } from '../core/seal.ts';
import type { FrontDatabase } from './database.ts';

interface Row {
  readonly key_version: number;
  readonly key: Uint8Array;
  readonly text: Uint8Array;
}

/** Holder of the keys: the host, and no tenant. */
const HOST = '*';
const placeOf = (name: string): string => `sealed:${hash('sha256', name)}`;

export class SealedRows implements SealedTexts {
  readonly #db: FrontDatabase;
  readonly #keys: () => KeyRing;
  #ring: KeyRing | undefined;

  /** @param keys opens the ring; called once, when the first text is read or written */
  constructor(db: FrontDatabase, keys: () => KeyRing) {
    this.#db = db;
    this.#keys = keys;
  }

  get(name: string): string | undefined {
    const row = this.#db.get<Row>('SELECT key_version, key, text FROM sealed WHERE name = ?', name);
    if (row === undefined) return undefined;
    const place = placeOf(name);
    const key = this.#keyRing.unwrap(HOST, { version: row.key_version, wrapped: row.key }, place);
    return unseal(key, place, row.text).toString('utf8');
  }

  put(name: string, text: string): void {
    const [key, place] = [newKey(), placeOf(name)];
    const { version, wrapped } = this.#keyRing.wrap(HOST, key, place);
    this.#db.durably(() =>
      this.#db.run(
        `INSERT INTO sealed (name, key_version, key, text) VALUES (?, ?, ?, ?)
         ON CONFLICT (name) DO UPDATE SET key_version = excluded.key_version, key = excluded.key, text = excluded.text`,
        name,
        version,
        wrapped,
        seal(key, place, Buffer.from(text, 'utf8')),
      ),
    );
  }

  remove(name: string): void {
    this.#db.durably(() => this.#db.run('DELETE FROM sealed WHERE name = ?', name));
  }

  get #keyRing(): KeyRing {
    return (this.#ring ??= this.#keys());
  }
}
