/**
 * The events of a host, as rows. A row has the data that the host made; what an agent emitted or logged is in its journal, and the row has
 * the place. So erasing a run erases what its events said, and no payload is stored twice.
 */
import type { EventKind } from '../api/event-kinds.ts';

/** Where in a journal the data of an event is. */
export interface EventPlace {
  /** Number of the entry. */
  readonly entry: number;
  /** How many effects of the same kind come before it in the entry. */
  readonly part: number;
}

/** The place of an event, and whether the entry may hold private data, which then is read from the journal for each follower. */
export interface ToldPlace extends EventPlace {
  readonly isPrivate: boolean;
}

export interface EventRow {
  /** Counts the events of all starts. */
  readonly n: number;
  /** The start of the host. */
  readonly era: number;
  readonly at: number;
  /** `reset`: events before it are missing, for the followers of its tenant, or for all if it has none. */
  readonly kind: EventKind | 'reset';
  readonly tenant: string | null;
  readonly run: string | null;
  readonly agent: string | null;
  /** As JSON; undefined if it is in the journal. */
  readonly data: string | undefined;
  readonly place: EventPlace | undefined;
}

export interface EventTable {
  /**
   * Begins a start of the host.
   * @param complete whether the table has all events of the start before
   * @returns the number of the last event
   */
  begin(era: number, complete: boolean, at: number): number;
  /** Adds rows in one transaction, without the reserved space. @throws CORRAL_DISK_FULL */
  add(rows: readonly EventRow[]): void;
  /** The first rows from a number on, in order. @param tenant undefined: of all tenants, and of the host */
  page(from: number, tenant: string | undefined, limit: number): EventRow[];
  /** The highest number that was forgotten; 0: none. @param tenant as for `page` */
  forgotten(tenant: string | undefined): number;
  /** The number behind the id of an event; that of the last row of its start, if it is later. Undefined: the start is not known. */
  numberOf(era: number, n: number): number | undefined;
  /** Deletes some of the oldest rows, from before a time or beyond a number of bytes. @returns whether there are more */
  forget(before: number, bytes: { readonly tenant: number; readonly all: number }): boolean;
}
