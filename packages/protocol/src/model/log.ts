/**
 * The record of a host: leaves of one append-only Merkle log (RFC 6962), each canonical JSON. A leaf states, in few words and
 * digests, what was the case when it was appended; details are in the tables, and `verify` compares the two.
 */
import type { GrantId, RunId } from '../ids.ts';
import type { QuarantineKind } from './quarantine.ts';

/** SHA-256 in lower-case hex. */
type Hex = string;

export type Leaf =
  /** The first leaf: how many runs existed when the record began. It covers no earlier changes. */
  | { readonly kind: 'begins'; readonly at: number; readonly runs: number; readonly format: 1 }
  /** `record`: digest of the sealed record; null if the run was already erased. */
  | {
      readonly kind: 'admitted';
      readonly run: RunId;
      readonly n: number;
      readonly tenant: string;
      readonly parent: RunId | null;
      readonly at: number;
      readonly record: Hex | null;
    }
  /** The last entry of a run that goes on. */
  | { readonly kind: 'head'; readonly run: RunId; readonly seq: number; readonly hash: Hex }
  /** `hash`: of its last entry; `outcome`: digest of the sealed outcome. Null if there is none. */
  | {
      readonly kind: 'ended';
      readonly run: RunId;
      readonly seq: number;
      readonly hash: Hex | null;
      readonly as: string;
      readonly at: number | null;
      readonly outcome: Hex | null;
    }
  | { readonly kind: 'erased'; readonly run: RunId; readonly at: number }
  | { readonly kind: 'revoked'; readonly grant: GrantId }
  | {
      readonly kind: 'quarantined';
      readonly of: QuarantineKind;
      readonly tenant: string | null;
      readonly name: string;
      readonly by: string;
      readonly reason: string;
      readonly at: number;
    }
  | {
      readonly kind: 'lifted';
      readonly of: QuarantineKind;
      readonly tenant: string | null;
      readonly name: string;
      readonly by: string;
      readonly at: number;
    }
  /** An administrative act; `digest` is of the whole row. `before`: the act deleted rows older than this, by retention. */
  | {
      readonly kind: 'act';
      readonly n: number;
      readonly id: string;
      readonly at: number;
      readonly by: string;
      readonly operation: string;
      readonly digest: Hex;
      readonly before?: number;
      readonly revokes?: string;
    }
  /** A row of another table of the front door; such rows never change. */
  | { readonly kind: 'row'; readonly table: string; readonly n: number; readonly key: string | number; readonly digest: Hex };

/** Size of a log, and the root of its tree. A head that is kept elsewhere can be compared with every later state of the log. */
export interface LogHead {
  readonly size: number;
  readonly hash: Hex;
}

/** A statement of the log that does not hold any more. */
export interface LogProblem {
  /** Number of the leaf, from 1; 0: the problem is about the log as a whole, or about something without a leaf. */
  readonly leaf: number;
  readonly what: 'log' | 'run' | 'journal' | 'outcome' | 'grant' | 'quarantine' | 'operation' | 'row';
  readonly subject: string;
  readonly message: string;
}

export interface LogVerification extends LogHead {
  /** When the record began. Milliseconds since 1970; null while there is none. */
  readonly since: number | null;
  /** Runs that existed before the record began; about their past it only knows their state at that time. */
  readonly before: number;
  readonly problems: readonly LogProblem[];
  /** Number of all problems; only the first are listed. */
  readonly count: number;
}
