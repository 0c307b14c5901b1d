/** The sealed evidence of a run: its key, its texts, and the walk along its hash chain that every read takes. */
import type { PendingDelivery } from '@corral/protocol/wire/delivery';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { KeyRing } from '@corral/protocol/ports/machine';
import type { Entry, RunRecord } from '@corral/protocol/model/run';
import type { Damage, EntryHash } from '@corral/protocol/ports/evidence';
import type { InboxItem } from '@corral/protocol/ports/store';
import { joined, MissingPayload, Opened } from './blobs.ts';
import { decodeTexts, ENTRY_TEXTS, entryOf, type Texts } from './body.ts';
import { hex } from './digests.ts';
import type { Custody, Engine, EntryRow, InboxRow } from './engine.ts';
import { FORMAT, rendered, tombstoneOf } from './mailbox.ts';
import { PLACE } from './places.ts';
import { chain, isForgotten, unseal } from './seal.ts';

const PAGE = 256;
const NO_HASH = new Uint8Array(0);
const NO_RECORD = new Uint8Array(0);

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
  readonly #engine: Engine;
  readonly #ring: KeyRing;

  constructor(engine: Engine, ring: KeyRing) {
    this.#engine = engine;
    this.#ring = ring;
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

  /** @throws Broken */
  open(key: Uint8Array, place: string, sealed: Uint8Array, count: number, run: RunId, seq: number, opened?: Opened): Texts {
    try {
      const { texts, cuts } = decodeTexts(unseal(key, place, sealed), count);
      return joined(this.#engine.blobs, texts, cuts, opened);
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
    return this.#engine.runs.custody(run);
  }

  /** The record of a run, and the number of the entry with its last checkpoint. @throws Broken, CORRAL_RUN_ERASED */
  origin(run: RunId): { readonly record: RunRecord; readonly checkpoint: number } | undefined {
    const row = this.#engine.runs.origin(run);
    if (row === undefined) return undefined;
    const key = this.keyOf(row);
    return { record: this.openOne<RunRecord>(key, PLACE.record(run), row.record ?? NO_RECORD, run), checkpoint: row.checkpoint };
  }

  /**
   * The rows of a journal, each checked to follow from the one before.
   * @throws Broken at the first that does not
   */
  *walk({ n, id, end_hash }: Custody, after = 0): Generator<EntryRow> {
    const { journal } = this.#engine;
    let seq = after;
    let before: Uint8Array = NO_HASH;
    try {
      if (after > 0) {
        const known = journal.hash(n, after);
        if (known === undefined && journal.entries(n, after, 1).length === 0) return;
        if (known === undefined) throw new Broken(id, after, 'gap', 'is missing');
        before = known;
      }
      for (;;) {
        const rows = journal.entries(n, seq, PAGE);
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
      if (!journal.isUnreadable(error)) throw error;
      throw new Broken(id, seq + 1, 'pages', 'is on pages of the database that cannot be read', { cause: error });
    }
    if (end_hash !== null && !Buffer.from(end_hash).equals(before))
      throw new Broken(id, seq + 1, 'gap', 'is missing, and so are all that followed');
  }

  /** @param opened of the same reading @throws Broken */
  entry(custody: Custody, key: Uint8Array, row: EntryRow, opened: Opened): Entry {
    return entryOf(row, this.open(key, PLACE.entry(custody.id, row.seq), row.body, ENTRY_TEXTS, custody.id, row.seq, opened));
  }

  /** Deliveries that wait for a run, in order. */
  inbox(run: RunId, after: number): InboxItem[] {
    const custody = this.custody(run);
    if (custody === undefined || custody.erased_at !== null) return [];
    const rows = this.#engine.inbox.items(custody.n, after);
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
  delivery(run: RunId, runKey: Uint8Array, { seq, sender, key, format, delivery }: Omit<InboxRow, 'at'>): PendingDelivery {
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
    return this.#engine.journal.hashes(custody.n, after, limit).map(({ seq, hash }) => ({ seq, hash: hex(hash) }));
  }

  /** @throws CORRAL_JOURNAL_DAMAGED, CORRAL_RUN_ERASED, CORRAL_JOURNAL_PRUNED */
  journal(run: RunId, after: number, limit: number, most = Number.POSITIVE_INFINITY): Entry[] {
    return refused(() => {
      const entries: Entry[] = [];
      let chars = 0;
      for (const entry of this.entries(run, after)) {
        entries.push(entry);
        chars += (entry.delivery?.length ?? 0) + (entry.effects?.length ?? 0);
        if (entries.length >= limit || chars >= most) break;
      }
      return entries;
    });
  }

  /** The entries after one; each is opened when it is asked for. @throws Broken, CORRAL_RUN_ERASED, CORRAL_JOURNAL_PRUNED */
  *entries(run: RunId, after: number): Generator<Entry> {
    const custody = this.custody(run);
    if (custody === undefined) return;
    const key = this.keyOf(custody);
    const opened = new Opened();
    for (const row of this.walk(custody, after)) {
      if (isForgotten(row.body)) throw new CorralError('CORRAL_JOURNAL_PRUNED', `The journal of ${run} was pruned.`);
      yield this.entry(custody, key, row, opened);
    }
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
