/** Evidence that a store keeps of runs, checked, forgotten or copied: the answers of verification, collection, erasure and backup. */
import type { Digest, RunId, TenantId } from '../ids.ts';
import type { LogVerification } from '../model/log.ts';

/** A fault in a run's evidence, at the first entry where it shows. */
export interface Damage {
  readonly run: RunId;
  /** 0: the record that the run was admitted with. */
  readonly entry: number;
  readonly problem: 'record' | 'gap' | 'hash' | 'sealed' | 'payload' | 'bundle' | 'pages';
  readonly message: string;
}

/** The head of a chain: the number of an entry, and its hash in hex. */
export interface EntryHash {
  readonly seq: number;
  readonly hash: string;
}

export interface Verification {
  readonly runs: number;
  readonly entries: number;
  /** Entries whose content was pruned or erased; the chain still covers them. */
  readonly forgotten: number;
  /** At most one for each run. */
  readonly damaged: readonly Damage[];
  /** The record compared with the tables. */
  readonly log: LogVerification;
}

/** Which garbage to collect. */
export interface Collection {
  readonly retention_ms?: Readonly<Record<string, number>> | undefined;
  readonly tenant?: TenantId | undefined;
}

/** Space that collecting freed. */
export interface Freed {
  readonly runs: number;
  readonly entries: number;
  readonly blobs: number;
  readonly bytes: number;
}

/** Data that erasing a run makes unreadable or deletes. */
export interface Erased {
  readonly run: RunId;
  /** Entries that cannot be opened any more; the next collection deletes their bytes. */
  readonly entries: number;
  /** Large payloads that no other run refers to. */
  readonly blobs: number;
  readonly bytes: number;
}

/** One database of a backup. */
export interface BackupFile {
  readonly name: string;
  readonly bytes: number;
  /** SHA-256 of the file. */
  readonly digest: Digest;
}

export interface BackupManifest {
  readonly format: 2;
  readonly era: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** All files together. */
  readonly bytes: number;
  /** The databases, all as of the same moment. */
  readonly files: readonly BackupFile[];
  /** SHA-256 of all of the above as canonical JSON. */
  readonly digest: Digest;
}

/** The beginning of a journal whose contents were deleted since their retention had passed; the hashes stay. */
export interface Pruned {
  /** How many entries, from the first on. */
  readonly entries: number;
  /** When, in milliseconds since 1970. Left out: the run goes on from a checkpoint, and what came before that was deleted at some time since. */
  readonly at?: number;
}
