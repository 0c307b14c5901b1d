/**
 * Reads of the front door's tables that may be long: lists, searches and counts over all runs and acts. They see what was written before
 * they were asked. An implementation answers them off the host's event loop, because a list over 200,000 runs takes longer than
 * a crank may wait.
 */
import type { DecidedCount, DecidedPageWanted, DecidedRow, DecidedWanted } from './approvals.ts';
import type { RunOrder } from '../model/run-lists.ts';
import type { DeliveryRow, RunRow } from './front.ts';
import type { ToolReads } from './tool-reads.ts';

/** Every given condition holds for each run that is found; of several values of one condition, one does. */
export interface RunSearch {
  readonly tenant?: string | undefined;
  readonly agent?: readonly string[] | undefined;
  readonly version?: readonly string[] | undefined;
  readonly parent?: string | undefined;
  readonly principal?: readonly string[] | undefined;
  readonly config?: string | undefined;
  readonly lifecycle?: readonly ('queued' | 'active' | 'ended')[] | undefined;
  readonly ended?: boolean | undefined;
  /** Beginnings of outcomes. */
  readonly ended_as?: readonly string[] | undefined;
  readonly control?: readonly string[] | undefined;
  /** The author of its pause or quarantine; a run that has ended is not found. */
  readonly stopped_by?: readonly string[] | undefined;
  /** A part of its id, agent, principal or outcome. */
  readonly q?: string | undefined;
  /** Admitted at this time or before. Milliseconds since 1970, as all times here. */
  readonly admitted_by?: number | undefined;
  /** Admitted before this time. */
  readonly until?: number | undefined;
  /** Not ended before this time. */
  readonly since?: number | undefined;
  readonly created_from?: number | undefined;
  readonly ended_from?: number | undefined;
  /** Something was last refused to it at this time or after. */
  readonly refused_from?: number | undefined;
  /** The answer of a call that was carried out was last withheld from it at this time or after. */
  readonly withheld_from?: number | undefined;
  readonly ended_until?: number | undefined;
  /** Only runs that have not ended and hold a grant to this tool. */
  readonly holds?: string | undefined;
  /** Only these runs. */
  readonly among?: readonly string[] | undefined;
}
export interface RunPageWanted extends RunSearch {
  /** Left out: `created`. Amounts of runs in memory are those of the last time the host wrote them down. */
  readonly sort?: RunOrder | undefined;
  /** Left out: the latest or the largest first. */
  readonly ascending?: boolean | undefined;
  /** `next` of the page before, with the same conditions and order. */
  readonly cursor?: string | undefined;
  readonly limit: number;
  /** Count all that match, too. */
  readonly total?: boolean | undefined;
}
export interface RunPage {
  readonly rows: RunRow[];
  readonly next: string | null;
  readonly total?: number;
}

/** Runs of an agent of a tenant that are in one state. */
export interface StateCount {
  readonly tenant: string;
  readonly agent: string;
  readonly state: string;
  readonly runs: number;
}

/** Runs that were admitted, or that ended in one state, within a span of time, and what those used that ended. */
export interface SpanCount {
  /** The beginning of the span. Milliseconds since 1970. */
  readonly at: number;
  /** `admitted`, or the state in which they ended. */
  readonly state: string;
  readonly runs: number;
  readonly cpu_ms: number;
  readonly calls: number;
  readonly tokens: number;
  readonly money_micros: number;
}
export interface SpansWanted {
  readonly tenant?: string | undefined;
  readonly agent?: string | undefined;
  /** From the beginning of its hour on. Milliseconds since 1970. */
  readonly from: number;
  /** To the end of its hour, if it is not the beginning of one. */
  readonly until: number;
  /** Length of a span in hours. Spans begin at multiples of it since 1970. */
  readonly hours: number;
}

export interface ActsWanted {
  readonly tenant?: string | undefined;
  /** Names of acts: `kill`, `decide` … */
  readonly operation?: readonly string[] | undefined;
  readonly by?: string | undefined;
  /** A run that the act was meant for, or reached. */
  readonly run?: string | undefined;
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  /** The number of the last row of the page before. */
  readonly before?: number | undefined;
  readonly limit: number;
}
export interface ActRow {
  readonly n: number;
  /** The act, as JSON. */
  readonly text: string;
}

/** A run that waits for its first turn. */
export interface QueuedRun {
  readonly n: number;
  readonly id: string;
  readonly tenant: string;
  readonly agent: string;
  readonly principal: string;
  readonly created_at: number;
  /** Its place among those of its tenant, from 1. */
  readonly position: number;
}
export interface QueueWanted {
  readonly tenant?: string | undefined;
  /** The number of the last row of the page before. */
  readonly after?: number | undefined;
  readonly limit: number;
}

export interface DeliveriesWanted {
  /** Receivers whose deliveries may be seen; undefined: all. */
  readonly hooks: readonly string[] | undefined;
  readonly tenant: string | undefined;
  /** The name of a receiver, as lists show it. */
  readonly hook: string | undefined;
  readonly state: DeliveryRow['state'] | undefined;
  /** The number of the last row of the page before. */
  readonly before: number | undefined;
  readonly limit: number;
}
/** How many notifications of a receiver wait and were given up, when one was last delivered, and the last error of those that wait. */
export interface HookSummary {
  readonly hook: string;
  readonly pending: number;
  readonly given_up: number;
  readonly delivered_at: number | null;
  readonly error: string | null;
}

export interface FrontReads extends ToolReads {
  /** @throws CORRAL_REQUEST_INVALID for a cursor that no list with this order gave */
  runs(wanted: RunPageWanted): Promise<RunPage>;
  /** Those of some runs and of all below them that have not ended, by id. */
  family(runs: readonly string[]): Promise<readonly string[]>;
  /** How many runs are in each state, by tenant and agent; of one tenant, or of all. */
  states(tenant: string | undefined): Promise<readonly StateCount[]>;
  /** Counts of what was admitted and what ended in each span of time, in their order. */
  spans(wanted: SpansWanted): Promise<readonly SpanCount[]>;
  /** Runs that wait for their first turn, in the order of admission. */
  queue(wanted: QueueWanted): Promise<readonly QueuedRun[]>;
  /** When the run of each tenant was admitted that has waited longest for its first turn, and how many wait. */
  oldestQueued(
    tenant: string | undefined,
  ): Promise<readonly { readonly tenant: string; readonly created_at: number; readonly runs: number }[]>;
  /** Notifications of all receivers that wait, and that were given up. */
  notifications(): Promise<{ readonly pending: number; readonly given_up: number }>;
  /** Notifications, the latest first. */
  deliveries(wanted: DeliveriesWanted): Promise<readonly DeliveryRow[]>;
  /** How these receivers stand, in the same order. */
  hooks(keys: readonly string[]): Promise<readonly HookSummary[]>;
  /** Acts, the latest first. */
  acts(wanted: ActsWanted): Promise<readonly ActRow[]>;
  /** Decisions of people about calls, the latest first. */
  decided(wanted: DecidedPageWanted): Promise<readonly DecidedRow[]>;
  /** How many decisions there are, by verdict and by the shape of the call. */
  decidedCounts(wanted: DecidedWanted): Promise<readonly DecidedCount[]>;
  close(): Promise<void>;
}
