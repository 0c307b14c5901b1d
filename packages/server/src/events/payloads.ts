/**
 * Data of events that is in journals: what agents emitted and logged. One entry is read at a time, and tenants take turns, so that
 * followers that are far behind take neither memory nor the reader of the store from others.
 */
import type { Effect } from '@corral/protocol/wire/effect';
import type { Entry } from '@corral/protocol/model/run';
import type { EventRow } from '@corral/protocol/ports/events';
import { Rota } from '@corral/protocol/rota';
import { effectsOf } from '../evidence/calls.ts';
import { chunkIn, type Chunk } from '../evidence/journal.ts';

export type EntryReader = (run: string, seq: number) => Promise<Entry | undefined>;

/** In the place of data that its journal has no longer: its run was erased, or its retention is over. */
const FORGOTTEN = 'null';

export class Payloads {
  readonly #entry: EntryReader;
  readonly #rota = new Rota<() => Promise<void>>();
  #busy = false;
  /** The entry that was read last, since an entry may have many events. */
  #latest: { readonly key: string; readonly effects: readonly Effect[]; readonly chunk: Chunk | undefined } | undefined;

  constructor(entry: EntryReader) {
    this.#entry = entry;
  }

  /** The data of an event as JSON. */
  of(row: EventRow): Promise<string> {
    const done = Promise.withResolvers<string>();
    this.#rota.push(row.tenant ?? '', () => this.#read(row).then(done.resolve, done.reject));
    if (!this.#busy) void this.#go();
    return done.promise;
  }

  async #go(): Promise<void> {
    this.#busy = true;
    for (let next = this.#rota.next(); next !== undefined; next = this.#rota.next()) await next.item();
    this.#busy = false;
    this.#latest = undefined;
  }

  async #read({ run, place, kind }: EventRow): Promise<string> {
    if (run === null || place === undefined) return FORGOTTEN;
    const key = `${run} ${place.entry}`;
    if (this.#latest?.key !== key) {
      // A journal that cannot be read is reported where runs are read, and must not end a stream.
      const entry = await this.#entry(run, place.entry).catch(() => undefined);
      this.#latest = { key, effects: entry === undefined ? [] : effectsOf(entry), chunk: entry === undefined ? undefined : chunkIn(entry) };
    }
    if (kind === 'run.chunk') return this.#latest.chunk === undefined ? FORGOTTEN : JSON.stringify(this.#latest.chunk);
    let before = 0;
    for (const effect of this.#latest.effects) {
      if (effect.kind === 'emit' && kind === 'run.emitted' && before++ === place.part)
        return JSON.stringify({ event: effect.event, data: effect.data ?? null });
      if (effect.kind === 'log' && kind === 'run.logged' && before++ === place.part)
        return JSON.stringify({ level: effect.level, text: effect.text });
    }
    return FORGOTTEN;
  }
}
