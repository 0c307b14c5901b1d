/**
 * Data of events that is in journals: what agents emitted and logged. One entry is read at a time, and tenants take turns, so that
 * followers that are far behind take neither memory nor the reader of the store from others.
 */
import type { RunId } from '@corral/protocol/ids';
import type { Names } from '@corral/protocol/model/label';
import type { Entry } from '@corral/protocol/model/run';
import type { EventRow } from '@corral/protocol/ports/events';
import { Rota } from '@corral/protocol/rota';
import { effectsOf } from '../evidence/calls.ts';
import { chunkIn } from '../evidence/journal.ts';
import { shownEntry } from '../evidence/shown.ts';
import type { Reading } from '../people/reader.ts';

export type EntryReader = (run: string, seq: number) => Promise<LabelledEntry | undefined>;
/** An entry with the names of its label. */
export interface LabelledEntry {
  readonly entry: Entry;
  readonly private_to: Names;
}

/** In the place of data that its journal has no longer: its run was erased, or its retention is over. */
const FORGOTTEN = 'null';

export class Payloads {
  readonly #entry: EntryReader;
  readonly #rota = new Rota<() => Promise<void>>();
  #busy = false;
  /** The entry that was read last, since an entry may have many events. */
  #latest: { readonly key: string; readonly read: LabelledEntry | undefined } | undefined;

  constructor(entry: EntryReader) {
    this.#entry = entry;
  }

  /** The data of an event as JSON, as far as the reader may see it. */
  of(row: EventRow, reader: Reading): Promise<string> {
    const done = Promise.withResolvers<string>();
    this.#rota.push(row.tenant ?? '', () => this.#read(row, reader).then(done.resolve, done.reject));
    if (!this.#busy) void this.#go();
    return done.promise;
  }

  async #go(): Promise<void> {
    this.#busy = true;
    for (let next = this.#rota.next(); next !== undefined; next = this.#rota.next()) await next.item();
    this.#busy = false;
    this.#latest = undefined;
  }

  async #read({ run, tenant, place, kind }: EventRow, reader: Reading): Promise<string> {
    if (run === null || place === undefined) return FORGOTTEN;
    const key = `${run} ${place.entry}`;
    if (this.#latest?.key !== key) {
      // A journal that cannot be read is reported where runs are read, and must not end a stream.
      const read = await this.#entry(run, place.entry).catch(() => undefined);
      this.#latest = { key, read };
    }
    const { read } = this.#latest;
    if (read === undefined) return FORGOTTEN;
    const shown = shownEntry(read.entry, read.private_to, reader, run as RunId, tenant ?? '');
    const more = shown.withheld === undefined ? {} : { withheld: shown.withheld };
    if (kind === 'run.chunk') {
      const chunk = chunkIn(shown);
      return chunk === undefined ? FORGOTTEN : JSON.stringify({ ...chunk, ...more });
    }
    const wanted = kind === 'run.emitted' ? 'emit' : 'log';
    const effect = effectsOf(shown).filter((one) => one.kind === wanted)[place.part];
    if (effect?.kind === 'emit') return JSON.stringify({ event: effect.event, data: effect.data ?? null, ...more });
    if (effect?.kind === 'log') return JSON.stringify({ level: effect.level, text: effect.text, ...more });
    return FORGOTTEN;
  }
}
