/**
 * The writer of events: they are gathered and written in batches, so that telling an event never waits for the disk. It is bounded by
 * number and size, with half for each tenant. If events come faster than they are written, or the disk is full, events are dropped and
 * counted, and a `reset` is written in their place; runs never wait.
 */
import { EVENTS } from '@corral/protocol/limits';
import type { EventRow, EventTable } from '@corral/protocol/ports/events';

const DAY_MS = 86_400_000;
/** How often old rows are looked for. */
const FORGET_MS = 10_000;
/** Approximate bytes of a row in memory, besides its data. */
const ENVELOPE = 200;

interface Share {
  rows: number;
  bytes: number;
}

/** Events of a tenant that were dropped: the row of the first, and how many. */
interface Lost {
  readonly first: EventRow;
  count: number;
}

export interface RowsOptions {
  readonly table: EventTable;
  readonly now: () => number;
  readonly failed: (error: unknown) => void;
}

export class Rows {
  readonly #options: RowsOptions;
  readonly #waiting: EventRow[] = [];
  readonly #shares = new Map<string | null, Share>();
  readonly #all: Share = { rows: 0, bytes: 0 };
  readonly #lost = new Map<string | null, Lost>();
  #writing: NodeJS.Timeout | undefined;
  readonly #forgetting: NodeJS.Timeout;
  #dropped = 0;
  #broken = false;

  constructor(options: RowsOptions) {
    this.#options = options;
    this.#forgetting = setInterval(() => this.#forget(), FORGET_MS).unref();
  }

  /** Number of events that were never written. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Text of the events that wait. */
  get bytes(): number {
    return this.#all.bytes;
  }

  add(row: EventRow): void {
    const size = sizeOf(row);
    const share = this.#share(row.tenant);
    const full = (held: Share, part: number) =>
      held.rows >= EVENTS.events_unwritten.default * part || held.bytes + size > EVENTS.events_unwritten_bytes.default * part;
    const tooLarge = (row.data?.length ?? 0) > EVENTS.event_data_bytes.default;
    if (tooLarge || full(this.#all, 1) || full(share, 0.5)) {
      this.#lose(row);
      return;
    }
    this.#waiting.push(row);
    this.#count(share, 1, size);
    this.#writing ??= setTimeout(() => this.#write(), EVENTS.event_write_ms.default).unref();
  }

  /** Writes all that waits. @returns whether it is written */
  flush(): boolean {
    while (this.#waiting.length > 0 || this.#lost.size > 0) if (!this.#writeSome()) return false;
    return true;
  }

  close(): void {
    clearTimeout(this.#writing);
    clearInterval(this.#forgetting);
    this.flush();
  }

  /** Writes one batch in each turn of the event loop until none waits. */
  #write(): void {
    this.#writing = undefined;
    const isWritten = this.#writeSome();
    if (this.#waiting.length === 0 && this.#lost.size === 0) return;
    this.#writing = setTimeout(() => this.#write(), isWritten ? 0 : EVENTS.event_write_ms.default * 10).unref();
  }

  #writeSome(): boolean {
    const batch = this.#waiting.splice(0, EVENTS.events_written_at_once.default);
    const lost = [...this.#lost.values()];
    this.#lost.clear();
    for (const row of batch) this.#count(this.#share(row.tenant), -1, -sizeOf(row));
    try {
      this.#options.table.add([...lost.map((one) => resetOf(one)), ...batch]);
      this.#broken = false;
      return true;
    } catch (error) {
      for (const one of lost) this.#lost.set(one.first.tenant, one);
      for (const row of batch) this.#lose(row);
      if (!this.#broken) this.#options.failed(error);
      this.#broken = true;
      return false;
    }
  }

  #lose(row: EventRow): void {
    const known = this.#lost.get(row.tenant);
    if (known === undefined) this.#lost.set(row.tenant, { first: row, count: 1 });
    else known.count += 1;
    this.#dropped += 1;
    this.#writing ??= setTimeout(() => this.#write(), EVENTS.event_write_ms.default).unref();
  }

  #share(tenant: string | null): Share {
    let share = this.#shares.get(tenant);
    if (share === undefined) this.#shares.set(tenant, (share = { rows: 0, bytes: 0 }));
    return share;
  }

  #count(share: Share, rows: number, bytes: number): void {
    for (const one of [share, this.#all]) {
      one.rows += rows;
      one.bytes += bytes;
    }
  }

  #forget(): void {
    try {
      const before = this.#options.now() - EVENTS.event_days.default * DAY_MS;
      this.#options.table.forget(before, { tenant: EVENTS.event_bytes_per_tenant.default, all: EVENTS.event_bytes.default });
    } catch (error) {
      this.#options.failed(error);
    }
  }
}

const sizeOf = ({ data }: EventRow) => ENVELOPE + (data?.length ?? 0);

/** The row in the place of events that were dropped. An earlier number is never used again, so it keeps that of the first. */
const resetOf = ({ first, count }: Lost): EventRow => ({
  ...first,
  kind: 'reset',
  run: null,
  agent: null,
  data: JSON.stringify({ lost: count }),
  place: undefined,
});
