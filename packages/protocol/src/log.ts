/**
 * What the record of a host consists of: leaves of one append-only Merkle log (RFC 6962), each canonical JSON. A leaf says what
 * was so when it was appended, in few words and digests; the tables say the rest, and `verify` holds the two against each other.
 */
import type { GrantId, RunId } from './ids.ts';
import type { QuarantineKind } from './quarantine.ts';

/** Lower-case hex of a SHA-256. */
type Hex = string;

export type Leaf =
  /** The first leaf: what there was when the record began. Of earlier changes it knows nothing. */
  | { readonly kind: 'begins'; readonly at: number; readonly runs: number; readonly format: 1 }
  /** `record`: digest of the sealed record; null where the run was erased before. */
  | {
      readonly kind: 'admitted';
      readonly run: RunId;
      readonly n: number;
      readonly tenant: string;
      readonly parent: RunId | null;
      readonly at: number;
      readonly record: Hex | null;
    }
  /** Where the journal of a run that goes on had got to. */
  | { readonly kind: 'head'; readonly run: RunId; readonly seq: number; readonly hash: Hex }
  /** `hash`: of its last entry; `outcome`: digest of the sealed outcome. Null where there is none. */
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
  /** An administrative act; `digest` is of the whole row. `before`: rows before this time are forgotten by it, as retention says. */
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
  /** A row of another table of the front door that is written once. */
  | { readonly kind: 'row'; readonly table: string; readonly n: number; readonly key: string | number; readonly digest: Hex };

/** Size of a log, and the root of its tree. Whoever keeps one elsewhere can hold every later state of the log against it. */
export interface LogHead {
  readonly size: number;
  readonly hash: Hex;
}

/** Something that the log says, and that is not so any more. */
export interface LogProblem {
  /** Number of the leaf, from 1; 0: it is about the log as a whole, or about something that no leaf speaks of. */
  readonly leaf: number;
  readonly what: 'log' | 'run' | 'journal' | 'outcome' | 'grant' | 'quarantine' | 'operation' | 'row';
  readonly subject: string;
  readonly message: string;
}

export interface LogVerification extends LogHead {
  /** When the record began, in milliseconds since 1970; null while there is none. */
  readonly since: number | null;
  /** Runs that were there before it began: of their past it says what was found then. */
  readonly before: number;
  readonly problems: readonly LogProblem[];
  /** How many there are in all; a great many are not listed. */
  readonly count: number;
}
