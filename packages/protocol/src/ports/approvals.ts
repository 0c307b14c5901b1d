/**
 * Port for the rows of the front door about calls that wait for people, besides the journals: the decisions of people as lists and counts read them, who is
 * looking at a call, and who has put one off. The journal is authoritative; rows are written as decisions become durable there, and those that a
 * crash or a full disk kept from being written are added from the journals, by the store's list of entries that have any.
 */
import type { RunId } from '../ids.ts';

/** `expired`: nobody decided in time; `withdrawn`: the call's capability was taken back before anybody had decided. */
export const DECIDED_AS = ['approve', 'deny', 'answer', 'decline', 'expired', 'withdrawn'] as const;
export type DecidedAs = (typeof DECIDED_AS)[number];

/** One person's word about one call, or that there was none. */
export interface DecidedRow {
  readonly n: number;
  readonly run: string;
  readonly call: number;
  readonly tenant: string;
  readonly agent: string;
  readonly tool: string;
  /** The same for calls of an agent to a tool whose arguments have the same names and types. */
  readonly shape: string;
  readonly verdict: DecidedAs;
  readonly by: string;
  readonly reason: string;
  /** When people were asked, and when this was decided. Milliseconds since 1970. */
  readonly asked_at: number;
  readonly at: number;
}
export type Decided = Omit<DecidedRow, 'n'>;

/** A person who says that they are looking at a call, for others to see. */
export interface Claim {
  readonly run: string;
  readonly call: number;
  readonly by: string;
  readonly since: number;
  readonly until: number;
}
/** A person who does not want to see a call until then. */
export interface Later {
  readonly run: string;
  readonly call: number;
  readonly by: string;
  readonly until: number;
}

/** An entry of a journal that says what people decided about a call, or that nobody did in time. */
export interface DecidedEntry {
  /** It rises with each such entry of the store, in the order of commits. */
  readonly n: number;
  readonly run: RunId;
  /** 0: the run is from before they were noted, and its journal may have several. */
  readonly call: number;
  /** Which one of that call it is, from 1. */
  readonly nth: number;
}
export interface DecidedEntries {
  /** Those after a number, in order. */
  decisions(after: number, limit: number): Promise<readonly DecidedEntry[]>;
}

export interface ApprovalTable {
  /** How many decisions about a call are here. */
  count(run: string, call: number): number;
  /** Keeps a decision; one that is there already stays as it is. */
  decided(row: Decided): void;
  /** Nobody is asked any more about a call, or about any call of a run: forgets who looks at it, and who has put it off. */
  close(run: string, call?: number): void;
  claim(claim: Claim): void;
  claimOf(run: string, call: number, now: number): Claim | undefined;
  release(run: string, call: number): void;
  putOff(later: Later): void;
  /** @returns whether it had been put off */
  takeUp(run: string, call: number, by: string): boolean;
  /** Claims and what a person has put off of some runs, as of a time. */
  about(runs: readonly string[], by: string, now: number): { readonly claims: readonly Claim[]; readonly later: readonly Later[] };
  /** Uses up a link. @returns false if it was used before */
  useLink(digest: string, at: number): boolean;
  /** It was used for nothing. */
  unuseLink(digest: string): void;
  /** Deletes decisions before a time, and which links were used before it. @returns how many decisions */
  forget(before: number): number;
}

export interface DecidedWanted {
  readonly tenant?: string | undefined;
  readonly agent?: readonly string[] | undefined;
  readonly tool?: readonly string[] | undefined;
  readonly verdict?: readonly DecidedAs[] | undefined;
  /** Names of one person. */
  readonly by?: readonly string[] | undefined;
  readonly run?: string | undefined;
  readonly shape?: readonly string[] | undefined;
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  /** Part of the name of the agent, of the tool or of who decided, in upper or lower case. */
  readonly q?: string | undefined;
}
export interface DecidedPageWanted extends DecidedWanted {
  /** The number of the last row of the page before. */
  readonly before?: number | undefined;
  readonly limit: number;
}
export interface DecidedCount {
  readonly shape: string;
  readonly verdict: DecidedAs;
  readonly count: number;
}
