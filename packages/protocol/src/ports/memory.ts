/**
 * Memories of agents: key-value pairs, files and remembered texts, in spaces that belong to an agent, a person or a tenant. Each entry has the
 * label of the call that wrote it, and gives it back. The tools over it are in packages/tools, and an implementation is in packages/store.
 */
import type { CorralError } from '../errors.ts';
import type { Predicate } from '../model/grant.ts';
import type { Kept, Label, Names, Writer } from '../model/label.ts';

/** `kv`: values by key. `files`: bytes by path. `memory`: texts that are found by their words. */
export const MEMORY_KINDS = ['kv', 'files', 'memory'] as const;
export type MemoryKind = (typeof MEMORY_KINDS)[number];

/** A space. Nothing in it is found from another one. */
export interface SpaceName {
  readonly tenant: string;
  /** Its name in the configuration. */
  readonly memory: string;
  readonly kind: MemoryKind;
  /** `agent:NAME`, `person:PRINCIPAL`, or `tenant` for what all agents of the tenant share. */
  readonly owner: string;
}

/** How much a space and its tenant may hold; entries that have expired do not count. */
export interface SpaceBounds {
  readonly bytes: number;
  readonly entries: number;
  readonly tenant_bytes: number;
  readonly tenant_entries: number;
}

/** The call that asks. A write of one call is done once, and answered again as it was the first time. */
export interface MemoryCaller extends Omit<Writer, 'at'> {
  /** All calls of the run with a lower number have been answered and are not made again. Undefined: nothing is known. */
  readonly answered_below?: number;
  /** The label of its arguments. Absent: nothing is known. */
  readonly label?: Label;
  /** The names under which its run may read private data: the person whom it acts for, their roles, and those that the memory shares. */
  readonly names: Names;
  /**
   * Narrowings of its capability: lists and recalls give only entries of which these hold. They are about the whole name, in a space of kind
   * `memory` about `aboutOf` it. The verbs for one entry do not look at them, since they were checked on the argument that names it.
   */
  readonly within?: readonly Predicate[];
}

/** The part of the name of a remembered text that says what it is about: all before the last `/`. */
export const aboutOf = (name: string): string => name.slice(0, Math.max(0, name.lastIndexOf('/')));

export interface MemoryEntry {
  readonly name: string;
  readonly version: number;
  /** Length of the value. */
  readonly bytes: number;
  /** When it was written. Milliseconds since 1970. */
  readonly at: number;
  readonly expires_at?: number;
}

export interface MemoryValue extends MemoryEntry {
  readonly value: Uint8Array;
  readonly kept: Kept;
}

export interface MemoryPut {
  readonly name: string;
  readonly value: Uint8Array;
  /** Written only if the entry has this version; 0: only if there is none. Undefined: in any case. */
  readonly version?: number | undefined;
  /** The value is put behind the one that is there. */
  readonly append?: boolean | undefined;
  /** Expires after this time. Undefined: never. */
  readonly ttl_ms?: number | undefined;
  /** A text that the entry is found by. */
  readonly words?: string | undefined;
  /** The most that the whole value may have. */
  readonly value_bytes: number;
}

/** `done: false`: the version did not fit. `version`: the one that the entry has now, 0 if there is none. */
export interface MemoryWritten {
  readonly done: boolean;
  readonly version: number;
  readonly bytes: number;
}

export interface MemoryPage<Entry = MemoryEntry> {
  readonly entries: readonly Entry[];
  /** The last name of this page, if there is another. */
  readonly next?: string;
  /** The join of the labels of all that is on the page. */
  readonly kept: Kept;
}

export interface MemoryWanted {
  /** The beginning of the names. */
  readonly prefix: string;
  readonly limit: number;
}

/** One space, for operators. */
export interface SpaceRow extends SpaceName {
  readonly id: number;
  readonly entries: number;
  readonly bytes: number;
  /** The last write. Milliseconds since 1970. */
  readonly at: number;
}

/** An entry without its value, for operators. */
export type ListedEntry = MemoryEntry & { readonly kept: Kept };

/** A removal by an operator: of all entries that fit each of these. */
export interface MemoryRemoval {
  readonly tenant: string;
  readonly memory?: string | undefined;
  readonly owner?: string | undefined;
  readonly name?: string | undefined;
  readonly prefix?: string | undefined;
  /** Entries that this run has written a part of. */
  readonly run?: string | undefined;
}

export interface Removed {
  readonly entries: number;
  readonly bytes: number;
}

/** `stopped`: why the removal ended before its end; what is counted is removed, and there may be more. A step that fails removes nothing. */
export type Dropped = Removed & { readonly stopped?: CorralError };

/**
 * All of it is off the caller's loop. @throws CORRAL_MEMORY_FULL, CORRAL_MEMORY_PRIVATE, CORRAL_MEMORY_UNAVAILABLE, CORRAL_DISK_FULL; after any
 * error of a write nothing was written.
 */
export interface MemoryStore {
  get(space: SpaceName, caller: MemoryCaller, name: string): Promise<MemoryValue | undefined>;
  /** Durable when it resolves. */
  put(space: SpaceName, caller: MemoryCaller, put: MemoryPut, bounds: SpaceBounds): Promise<MemoryWritten>;
  /** Durable when it resolves. @returns whether there was one; and whether its version fitted */
  remove(space: SpaceName, caller: MemoryCaller, name: string, version?: number): Promise<MemoryWritten>;
  /** In the order of names. Entries that the caller may not read, or is not narrowed to, are left out. */
  list(space: SpaceName, caller: MemoryCaller, wanted: MemoryWanted & { readonly after?: string | undefined }): Promise<MemoryPage>;
  /** The best first: those that have most of the words, or without words the latest. */
  recall(space: SpaceName, caller: MemoryCaller, wanted: MemoryWanted & { readonly words: string }): Promise<MemoryPage<MemoryValue>>;

  /** @param wanted those with an id above `after` */
  spaces(wanted: {
    readonly tenant?: string | undefined;
    readonly memory?: string | undefined;
    readonly after: number;
    readonly limit: number;
  }): Promise<readonly SpaceRow[]>;
  /** @returns undefined if there is no such space */
  space(id: number): Promise<SpaceRow | undefined>;
  /** Those with a version below `before`, the latest first. */
  entries(
    id: number,
    wanted: MemoryWanted & { readonly before?: number | undefined },
  ): Promise<{ readonly entries: readonly ListedEntry[]; readonly more: boolean }>;
  read(id: number, name: string): Promise<MemoryValue | undefined>;
  /**
   * Removes entries in steps, between which others are served. No file of the store has anything of them when it resolves, and no index.
   * @param dryRun only counts @param names only entries whose labels allow these; undefined: all
   */
  drop(removal: MemoryRemoval, dryRun: boolean, names?: Names): Promise<Dropped>;

  /** Deletes a number of entries that have expired. @returns whether there are more */
  sweep(): Promise<boolean>;
  /** Runs whose answers are kept so that a call made again is done once, from the first one after `after` in the order of ids. */
  callers(after: string, limit: number): Promise<readonly string[]>;
  /** These runs make no call again. */
  settled(runs: readonly string[]): Promise<void>;
  close(): Promise<void>;
}
