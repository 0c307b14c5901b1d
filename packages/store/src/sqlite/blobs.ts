/**
 * Large payloads, stored once for each tenant. The id of a blob is a keyed hash of its content, so that the id reveals nothing.
 * The blob is sealed under a key derived from its content and a secret of the tenant (convergent encryption), so that writing the
 * same payload again gives the same key; the key itself is stored only inside the sealed texts that refer to the blob. After the
 * last run that refers to a blob is erased, nothing can open it, not even the tenant's key.
 */
import { createHmac, hash } from 'node:crypto';
import type { KeyRing } from '@corral/protocol/ports/machine';
import { type Cut, type Texts } from '../core/body.ts';
import { seal, unseal } from '../core/seal.ts';
import { isLarge, payloads } from '../core/split.ts';
import type { Sql } from './sql.ts';

/** The entry that texts belong to. Entry 0 stands for the record and the outcome, which outlive the journal. */
export interface Owner {
  readonly tenant: string;
  /** The run's number in this database. */
  readonly n: number;
  readonly seq: number;
}

const place = (id: string) => `blob:${id}`;

export class Blobs {
  readonly #sql: Sql;
  readonly #ring: KeyRing;

  constructor(sql: Sql, ring: KeyRing) {
    this.#sql = sql;
    this.#ring = ring;
  }

  /** Moves the large payloads out of texts into blobs. */
  split(texts: Texts, owner: Owner): { texts: Texts; cuts: readonly Cut[] } {
    if (!texts.some((text) => text !== undefined && isLarge(text))) return { texts, cuts: [] };
    const cuts: Cut[] = [];
    const left = texts.map((text, index) => {
      const spans = text === undefined ? [] : payloads(text);
      if (text === undefined || spans.length === 0) return text;
      let rest = '';
      let from = 0;
      for (const span of spans) {
        rest += text.slice(from, span.from);
        cuts.push({ text: index, at: rest.length, ...this.#put(text.slice(span.from, span.to), owner) });
        from = span.to;
      }
      return rest + text.slice(from);
    });
    return { texts: left, cuts };
  }

  /** @throws Error if a payload is missing or changed */
  join(texts: readonly (string | undefined)[], cuts: readonly Cut[]): Texts {
    if (cuts.length === 0) return texts;
    const parts = texts.map(() => ({ text: '', from: 0 }));
    for (const cut of cuts) {
      const part = parts[cut.text];
      const rest = texts[cut.text];
      if (part === undefined || rest === undefined) throw new Error('refers to a text that is not there');
      part.text += rest.slice(part.from, cut.at) + this.#get(cut);
      part.from = cut.at;
    }
    return parts.map(({ text, from }, index) => (texts[index] === undefined ? undefined : text + texts[index].slice(from)));
  }

  /** Releases a run's references from one entry on, up to another; blobs without references are deleted. */
  release(n: number, fromSeq: number, beforeSeq: number = Number.MAX_SAFE_INTEGER): { blobs: number; bytes: number } {
    const released = this.#sql.all<{ blob: number }>(
      'DELETE FROM refs WHERE run = ? AND seq >= ? AND seq < ? RETURNING blob',
      n,
      fromSeq,
      beforeSeq,
    );
    let blobs = 0;
    let bytes = 0;
    for (const blob of new Set(released.map((row) => row.blob))) {
      const gone = this.#sql.get<{ size: number }>(
        'DELETE FROM blobs WHERE b = ? AND NOT EXISTS (SELECT 1 FROM refs WHERE blob = b) RETURNING length(data) AS size',
        blob,
      );
      if (gone === undefined) continue;
      blobs += 1;
      bytes += gone.size;
    }
    return { blobs, bytes };
  }

  #put(piece: string, { tenant, n, seq }: Owner): { id: string; key: string } {
    const bytes = Buffer.from(piece);
    const digest = hash('sha256', bytes, 'buffer');
    const id = createHmac('sha256', this.#ring.derive(tenant, 'blob-id')).update(digest).digest('base64url');
    const key = createHmac('sha256', this.#ring.derive(tenant, 'blob-key')).update(digest).digest();
    const known = this.#sql.get<{ b: number }>('SELECT b FROM blobs WHERE tenant = ? AND id = ?', tenant, id);
    const b =
      known?.b ??
      Number(
        this.#sql.prepared('INSERT INTO blobs (tenant, id, data) VALUES (?, ?, ?)').run(tenant, id, seal(key, place(id), bytes))
          .lastInsertRowid,
      );
    this.#sql.run('INSERT OR IGNORE INTO refs (run, seq, blob) VALUES (?, ?, ?)', n, seq, b);
    return { id, key: key.toString('base64url') };
  }

  #get({ id, key }: Cut): string {
    const row = this.#sql.get<{ data: Uint8Array }>('SELECT data FROM blobs WHERE id = ?', id);
    if (row === undefined) throw new MissingPayload('refers to a payload that is gone');
    try {
      return unseal(Buffer.from(key, 'base64url'), place(id), row.data).toString();
    } catch (error) {
      throw new MissingPayload('refers to a payload whose bytes were changed', { cause: error });
    }
  }
}

export class MissingPayload extends Error {}
