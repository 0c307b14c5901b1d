/** The sealed evidence of a run: its key, its texts, and the walk along its hash chain that every read takes. */
import type { PendingDelivery } from '@corral/protocol/wire/delivery';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { KeyRing } from '@corral/protocol/ports/machine';
import type { Entry } from '@corral/protocol/model/run';
import type { Damage, EntryHash, InboxItem } from '@corral/protocol/ports/store';
import { Blobs, MissingPayload, type Owner } from './blobs.ts';
import { decodeTexts, encodeTexts, ENTRY_TEXTS, entryOf, type Texts } from '../core/body.ts';
import { hex } from '../core/digests.ts';
import { FORMAT, rendered, tombstoneOf } from '../core/mailbox.ts';
import { PLACE } from '../core/places.ts';
import { chain, isForgotten, newKey, seal, unseal } from '../core/seal.ts';
import type { Sql } from './sql.ts';

/** The columns of a run that its evidence needs. */
export interface Custody {
  readonly n: number;
  readonly id: RunId;
  readonly tenant: string;
  readonly version: number | null;
  /** Null after it was erased. */
  readonly key: Uint8Array | null;
  readonly erased_at: number | null;
  /** The hash of its last entry, set when it has ended. */
  readonly end_hash: Uint8Array | null;
}

/** An item of an inbox as it is stored. */
export interface InboxRow {
  readonly seq: number;
  readonly sender: string;
  readonly key: string;
  readonly format: number;
  readonly delivery: Uint8Array;
}

export interface Row {
  readonly seq: number;
  readonly at: number;
  readonly cpu_us: number;
  readonly waiting: string;
  readonly hash: Uint8Array;
  readonly body: Uint8Array;
}

const CUSTODY = 'SELECT n, id, tenant, version, key, erased_at, end_hash FROM runs LEFT JOIN records USING (n)';
const PAGE = 256;
const NO_HASH = new Uint8Array(0);
/** SQLite's error code for pages that cannot be read (sqlite.org/rescode.html). */
const SQLITE_CORRUPT = 11;

/** A run's evidence is broken from an entry on. The store's boundary turns this into CORRAL_JOURNAL_DAMAGED. */
export class Broken extends Error {
  readonly damage: Damage;

  constructor(run: RunId, entry: number, problem: Damage['problem'], what: string, options?: ErrorOptions) {
    const message = `${entry === 0 ? 'The record' : `Entry ${entry}`} of ${run} ${what}.`;
    super(message, options);
    this.damage = { run, entry, problem, message };
  }

  refusal(): CorralError {
    return new CorralError('CORRAL_JOURNAL_DAMAGED', this.message, { cause: this });
  }
}

export class Evidence {
  readonly blobs: Blobs;
  readonly #sql: Sql;
  readonly #ring: KeyRing;

  constructor(sql: Sql, ring: KeyRing) {
    this.#sql = sql;
    this.#ring = ring;
    this.blobs = new Blobs(sql, ring);
  }

  /** Makes the key of a new run. */
  issue(tenant: string, run: RunId): { key: Uint8Array; version: number; wrapped: Uint8Array } {
    const key = newKey();
    return { key, ...this.#ring.wrap(tenant, key, run) };
  }

  /** @throws Broken, CORRAL_RUN_ERASED */
  keyOf({ id, tenant, version, key, erased_at }: Pick<Custody, 'id' | 'tenant' | 'version' | 'key' | 'erased_at'>): Uint8Array {
    if (erased_at !== null) throw new CorralError('CORRAL_RUN_ERASED', `The run ${id} was erased.`);
    if (key === null || version === null) throw new Broken(id, 0, 'record', 'is missing, and the key with it');
    try {
      return this.#ring.unwrap(tenant, { version, wrapped: key }, id);
    } catch (error) {
      if (error instanceof CorralError) throw error;
      throw new Broken(id, 0, 'record', 'has a key that cannot be opened any more', { cause: error });
    }
  }

  seal(key: Uint8Array, place: string, texts: Texts, owner: Owner): Buffer {
    const { texts: left, cuts } = this.blobs.split(texts, owner);
    return seal(key, place, encodeTexts(left, cuts));
  }

  /** A host's state of a run that it parks. This is a cache, so it shares no payload with the journal. */
  sealLedger(run: RunId, text: string): Buffer | null {
    const custody = this.custody(run);
    return custody === undefined ? null : seal(this.keyOf(custody), PLACE.ledger(run), encodeTexts([text], []));
  }

  /** @throws Broken */
  open(key: Uint8Array, place: string, sealed: Uint8Array, count: number, run: RunId, seq: number): Texts {
    try {
      const { texts, cuts } = decodeTexts(unseal(key, place, sealed), count);
      return this.blobs.join(texts, cuts);
    } catch (error) {
      if (error instanceof MissingPayload) throw new Broken(run, seq, 'payload', error.message, { cause: error });
      throw new Broken(run, seq, seq === 0 ? 'record' : 'sealed', 'cannot be opened with its key: its bytes or its place were changed', {
        cause: error,
      });
    }
  }

  /** A single text. */
  openOne<T>(key: Uint8Array, place: string, sealed: Uint8Array, run: RunId, seq = 0): T {
    const [text] = this.open(key, place, sealed, 1, run, seq);
    return JSON.parse(text ?? 'null') as T;
  }

  custody(run: RunId): Custody | undefined {
    return this.#sql.get<Custody>(`${CUSTODY} WHERE id = ?`, run);
  }

  outcome({ id, tenant, n }: Pick<Custody, 'id' | 'tenant' | 'n'>, key: Uint8Array, outcome: Outcome): Buffer {
    return this.seal(key, PLACE.outcome(id), [JSON.stringify(outcome)], { tenant, n, seq: 0 });
  }

  /**
   * Ends a run without an entry, even if its journal cannot be read; if its key is gone, only the kind of its outcome is kept.
   * @returns its number, if it had not ended
   */
  bury(run: RunId, outcome: Outcome, at: number): number | undefined {
    const custody = this.custody(run);
    if (custody === undefined) return undefined;
    let sealed: Buffer | null = null;
    try {
      sealed = this.outcome(custody, this.keyOf(custody), outcome);
    } catch (error) {
      if (!(error instanceof Broken || error instanceof CorralError)) throw error;
    }
    const changed = this.#sql.run(
      "UPDATE runs SET lifecycle = 'ended', outcome_kind = ?, outcome = ?, ended_at = ? WHERE n = ? AND lifecycle <> 'ended'",
      outcome.kind,
      sealed,
      at,
      custody.n,
    );
    return changed === 0 ? undefined : custody.n;
  }

  /** Runs after the one with this number, in order. */
  custodies(afterN: number, limit: number, tenant?: string): Custody[] {
    return this.#sql.all<Custody>(
      `${CUSTODY} WHERE n > ?1 AND (?2 IS NULL OR tenant = ?2) ORDER BY n LIMIT ?3`,
      afterN,
      tenant ?? null,
      limit,
    );
  }

  /**
   * The rows of a journal, each checked to follow from the one before.
   * @throws Broken at the first that does not
   */
  *walk({ n, id, end_hash }: Custody, after = 0): Generator<Row> {
    let seq = after;
    let before: Uint8Array = NO_HASH;
    try {
      if (after > 0) {
        const row = this.#sql.get<{ hash: Uint8Array }>('SELECT hash FROM journal WHERE run = ? AND seq = ?', n, after);
        if (row === undefined && this.#sql.get('SELECT 1 FROM journal WHERE run = ? AND seq > ?', n, after) === undefined) return;
        if (row === undefined) throw new Broken(id, after, 'gap', 'is missing');
        before = row.hash;
      }
      for (;;) {
        const rows = this.#sql.all<Row>(
          'SELECT seq, at, cpu_us, waiting, hash, body FROM journal WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?',
          n,
          seq,
          PAGE,
        );
        for (const row of rows) {
          if (row.seq !== seq + 1) throw new Broken(id, seq + 1, 'gap', `is missing: the next one there is ${row.seq}`);
          if (!chain(before, id, row).equals(row.hash))
            throw new Broken(id, row.seq, 'hash', 'does not fit the hash chain: it was changed');
          yield row;
          seq = row.seq;
          before = row.hash;
        }
        if (rows.length < PAGE) break;
      }
    } catch (error) {
      if (((error as { errcode?: number }).errcode ?? 0) % 256 !== SQLITE_CORRUPT) throw error;
      throw new Broken(id, seq + 1, 'pages', 'is on pages of the database that cannot be read', { cause: error });
    }
    if (end_hash !== null && !Buffer.from(end_hash).equals(before))
      throw new Broken(id, seq + 1, 'gap', 'is missing, and so are all that followed');
  }

  /** @throws Broken */
  entry(custody: Custody, key: Uint8Array, row: Row): Entry {
    return entryOf(row, this.open(key, PLACE.entry(custody.id, row.seq), row.body, ENTRY_TEXTS, custody.id, row.seq));
  }

  /** Deliveries that wait for a run, in order. */
  inbox(run: RunId, after: number): InboxItem[] {
    const custody = this.custody(run);
    if (custody === undefined || custody.erased_at !== null) return [];
    const rows = this.#sql.all<InboxRow & { at: number | null }>(
      'SELECT seq, sender, key, format, delivery, at FROM inbox WHERE run = ? AND seq > ? ORDER BY seq',
      custody.n,
      after,
    );
    return refused(() => {
      const key = this.keyOf(custody);
      return rows.map(({ at, ...row }) => ({
        seq: row.seq,
        ...(at === null ? {} : { at }),
        delivery: this.delivery(run, key, row),
      }));
    });
  }

  /** @throws Broken */
  delivery(run: RunId, runKey: Uint8Array, { seq, sender, key, format, delivery }: InboxRow): PendingDelivery {
    if (format !== FORMAT.refusal) {
      const place = format === FORMAT.sent ? PLACE.sent(run, sender, key) : PLACE.inbox(run, seq);
      return this.openOne<PendingDelivery>(runKey, place, delivery, run);
    }
    try {
      return rendered(tombstoneOf(delivery));
    } catch (error) {
      throw new Broken(run, 0, 'record', 'has an item in its inbox that cannot be read', { cause: error });
    }
  }

  /** Hashes as stored, also of a run that was erased. */
  hashes(run: RunId, after: number, limit: number): EntryHash[] {
    const custody = this.custody(run);
    if (custody === undefined) return [];
    const sql = 'SELECT seq, hash FROM journal WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?';
    return this.#sql
      .all<{ seq: number; hash: Uint8Array }>(sql, custody.n, after, limit)
      .map(({ seq, hash }) => ({ seq, hash: hex(hash) }));
  }

  /** @throws CORRAL_JOURNAL_DAMAGED, CORRAL_RUN_ERASED, CORRAL_JOURNAL_PRUNED */
  journal(run: RunId, after: number, limit: number): Entry[] {
    return refused(() => {
      const custody = this.custody(run);
      if (custody === undefined) return [];
      const key = this.keyOf(custody);
      const entries: Entry[] = [];
      for (const row of this.walk(custody, after)) {
        if (isForgotten(row.body)) throw new CorralError('CORRAL_JOURNAL_PRUNED', `The journal of ${run} was pruned.`);
        entries.push(this.entry(custody, key, row));
        if (entries.length >= limit) break;
      }
      return entries;
    });
  }
}

/** Turns Broken into the error of the port. */
export function refused<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof Broken ? error.refusal() : error;
  }
}
