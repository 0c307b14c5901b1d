/**
 * The stream of events for those who follow it. All events are rows of a table; while anybody follows, the text of the latest is in memory
 * too, so that whoever keeps up is sent them without a read.
 */
import type { EventKind } from '@corral/protocol/api/event-kinds';
import type { Event } from '@corral/protocol/api/schemas';
import type { Operation } from '@corral/protocol/api/roles';
import type { Json } from '@corral/protocol/json';
import { EVENTS } from '@corral/protocol/limits';
import type { EventRow, EventTable, ToldPlace } from '@corral/protocol/ports/events';
import type { Reading } from '../people/reader.ts';
import { Payloads, type EntryReader } from './payloads.ts';
import { Rows } from './rows.ts';

/** Rows that are read at once. */
const PAGE = 200;
/** Events that leave the front of the cache before it is moved. */
const SHIFTED = 1_000;
const GONE: Cached = { about: { kind: 'reset', tenant: null, run: null, agent: null }, text: undefined };
/** Approximate bytes of an event in memory, besides its text. */
const ENVELOPE = 300;

export interface EventFilter {
  /** Undefined: events of all tenants and of the host. */
  readonly tenant?: string | undefined;
  readonly run?: string | undefined;
  readonly agent?: string | undefined;
  readonly kinds?: ReadonlySet<string> | undefined;
  /** Whether the follower may see what this operation lets people see; null: of the host. */
  readonly may: (operation: Operation, tenant: string | null) => boolean;
  /** Entries of journals as the follower may see them. */
  readonly reader: Reading;
}

/** An event without its data, and its text for followers, if one of them was to be sent it. */
export interface Cached {
  readonly about: Told;
  readonly text: string | undefined;
  /** In the place of the text, if its data is in a journal alone. */
  readonly row?: EventRow;
}
/** The members of an event that decide whether a follower is sent it. */
export type Told = Pick<EventRow, 'kind' | 'tenant' | 'run' | 'agent'>;

export interface FeedOptions {
  readonly table: EventTable;
  readonly era: number;
  /** Whether the table has all events of the start before. */
  readonly complete: boolean;
  readonly now: () => number;
  /** An entry of a journal, with its label; undefined if it is no longer there. */
  readonly entry: EntryReader;
  readonly failed: (error: unknown) => void;
}

export class Feed {
  readonly #era: number;
  readonly #now: () => number;
  readonly #table: EventTable;
  readonly #rows: Rows;
  readonly #payloads: Payloads;
  #last: number;
  /** The latest events, in order and without gaps, while anybody follows. */
  #cache: Cached[] = [];
  /** Those before it have left the cache. */
  #head = 0;
  #cached = 0;
  readonly #followers = new Map<() => void, EventFilter>();
  readonly #listeners = new Set<(event: Event) => void>();

  constructor({ table, era, complete, now, entry, failed }: FeedOptions) {
    this.#era = era;
    this.#now = now;
    this.#table = table;
    this.#rows = new Rows({ table, now, failed });
    this.#payloads = new Payloads(entry);
    this.#last = table.begin(era, complete, now());
  }

  /** @param about `place`: where a journal has the data, which is then not written once more; without `data`, followers are sent it from there */
  tell(
    kind: EventKind,
    about: {
      readonly tenant?: string;
      readonly run?: string;
      readonly agent?: string;
      readonly data?: Json;
      readonly place?: ToldPlace | undefined;
    },
  ): Event {
    this.#last += 1;
    const { tenant = null, run = null, agent = null, data: whole = null, place: told } = about;
    const place = told && { entry: told.entry, part: told.part };
    // Each follower reads private data in the journal, as far as its label allows; nobody else is told it.
    const data = told?.isPrivate === true ? null : whole;
    const [n, at, era] = [this.#last, this.#now(), this.#era];
    const event: Event = { id: `${era}-${n}`, at, kind, tenant, run, agent, data };
    const text = place === undefined ? JSON.stringify(data) : undefined;
    const row: EventRow = { n, era, at, kind, tenant, run, agent, data: text, place };
    this.#rows.add(row);
    if (this.#followers.size > 0) this.#keep(row, data);
    for (const listener of this.#listeners) listener(event);
    for (const wake of this.#followers.keys()) wake();
    return event;
  }

  /** The id of the last event. */
  get last(): string {
    return `${this.#era}-${this.#last}`;
  }

  /** The number of the last event. */
  get count(): number {
    return this.#last;
  }

  /** Bytes of events in memory: those that wait to be written, and those for followers. */
  get bytes(): number {
    return this.#rows.bytes + this.#cached;
  }

  /** Events that were never written, and so are missing to followers that come back. */
  get dropped(): number {
    return this.#rows.dropped;
  }

  /** The number behind the id of an event of this or an earlier start; undefined if it is not known. */
  numberOf(id: string): number | undefined {
    const [era = '', text = ''] = id.split('-');
    const [start, n] = [Number(era), Number(text)];
    if (text === '' || era === '' || !Number.isSafeInteger(n) || !Number.isSafeInteger(start) || n < 0) return undefined;
    const found = this.#table.numberOf(start, n);
    return found === undefined || found > this.#last ? undefined : found;
  }

  /** An event by its number, if it is in memory. */
  cached(n: number): Cached | undefined {
    return this.#cache[this.#head + n - (this.#last - (this.#cache.length - this.#head) + 1)];
  }

  /**
   * The first rows from a number on. `to`: the number up to which no more follow.
   * @returns undefined if those cannot be read, because they cannot be written now
   */
  page(from: number, tenant: string | undefined): { readonly rows: readonly EventRow[]; readonly to: number } | undefined {
    if (!this.#rows.flush()) return undefined;
    const rows = this.#table.page(from, tenant, PAGE);
    return { rows, to: rows.length < PAGE ? this.#last : (rows.at(-1)?.n ?? this.#last) };
  }

  /** The number of the last event that is not kept any more. */
  forgotten(tenant: string | undefined): number {
    return this.#table.forgotten(tenant);
  }

  /** A row in the format of server-sent events; its data may have to be read from a journal, as far as the reader may see it. */
  async frameOf(row: EventRow, reader: Reading): Promise<string> {
    return frame(row, row.data ?? (await this.#payloads.of(row, reader)));
  }

  /** @param wake called for each event, whether it passes or not @returns what ends it */
  follow(filter: EventFilter, wake: () => void): () => void {
    this.#followers.set(wake, filter);
    return () => {
      this.#followers.delete(wake);
      if (this.#followers.size > 0) return;
      [this.#cache, this.#head, this.#cached] = [[], 0, 0];
    };
  }

  listen(listener: (event: Event) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#rows.close();
  }

  #keep(row: EventRow, data: Json): void {
    const { kind, tenant, run, agent } = row;
    const about = { kind, tenant, run, agent };
    const isWanted = this.#followers.values().some((filter) => passes(about, filter));
    const isElsewhere = data === null && row.place !== undefined;
    const text = isWanted && !isElsewhere ? frame(row, row.data ?? JSON.stringify(data)) : undefined;
    this.#cache.push({ about, text, ...(isWanted && isElsewhere ? { row } : {}) });
    this.#cached += sizeOf(text);
    while (this.#cached > EVENTS.event_cache_bytes.default && this.#head < this.#cache.length - 1) {
      this.#cached -= sizeOf(this.#cache[this.#head]?.text);
      this.#cache[this.#head] = GONE;
      this.#head += 1;
    }
    if (this.#head * 2 < this.#cache.length || this.#head < SHIFTED) return;
    this.#cache.splice(0, this.#head);
    this.#head = 0;
  }
}

/** A row in the format of server-sent events. @param data as JSON */
function frame({ n, era, at, kind, tenant, run, agent }: EventRow, data: string): string {
  const id = `${era}-${n}`;
  const about = JSON.stringify({ id, at, kind, tenant, run, agent });
  return `id: ${id}\nevent: ${kind}\ndata: ${kind === 'reset' ? data : `${about.slice(0, -1)},"data":${data}}`}\n\n`;
}

const sizeOf = (text: string | undefined) => ENVELOPE + (text?.length ?? 0);

/**
 * The permission needed to follow events of a kind: the same as for reading the same facts by request. Kinds that are not listed
 * need only the permission to follow. Webhooks are not checked, because only an admin of the host can configure one.
 */
const NEEDS: { readonly [K in EventKind]?: Operation } = {
  'run.emitted': 'run.payload',
  'run.logged': 'run.payload',
  'run.chunk': 'run.payload',
  'agent.resting': 'agent.read',
  'agent.recovered': 'agent.read',
  'agent.deployed': 'agent.read',
  'agent.profiled': 'profile.read',
  'alias.moved': 'agent.read',
  'config.applied': 'config.read',
  'quarantine.put': 'quarantine.read',
  'quarantine.lifted': 'quarantine.read',
  // These events say by whom and why, as the list of operations does.
  'grant.revoked': 'operation.read',
  'spend.warned': 'spend.read',
  'policy.switched': 'policy.read',
  'policy.differs': 'policy.read',
  'policy.alarm': 'policy.read',
  'webhook.given_up': 'webhook.read',
};

export function passes(event: Told, filter: EventFilter): boolean {
  // Events are missing, which concerns each follower of the tenant.
  if (event.kind === 'reset') return event.tenant === null || filter.tenant === undefined || event.tenant === filter.tenant;
  if (filter.tenant !== undefined && event.tenant !== filter.tenant) return false;
  if (filter.run !== undefined && event.run !== filter.run) return false;
  if (filter.agent !== undefined && event.agent !== filter.agent) return false;
  const needs = NEEDS[event.kind];
  if (needs !== undefined && !filter.may(needs, event.tenant)) return false;
  return filter.kinds === undefined || filter.kinds.has(event.kind);
}
