/** Memories of agents: the arguments and answers of the verbs of `kv:NAME`, `files:NAME` and `memory:NAME`. */

/** An entry without its value. Times are in milliseconds since 1970. */
interface Kept {
  /** Changes with each write; never used twice in one memory. */
  readonly version: number;
  readonly bytes: number;
  /** When it was written. */
  readonly at: number;
  readonly expires_at?: number;
}
export interface KeptKey extends Kept {
  readonly key: string;
}
export interface KeptFile extends Kept {
  readonly path: string;
}
/** The answer to a write. */
export interface KeptWrite {
  /** False: nothing was changed, since the version did not fit or there was no such entry. */
  readonly done: boolean;
  /** The version of the entry now; 0: there is none. */
  readonly version: number;
}
export interface RememberedText {
  readonly id: string;
  readonly about: string;
  readonly text: string;
  readonly at: number;
  readonly expires_at?: number;
}

interface Versioned {
  /** The entry is changed only if it has this version; 0: only if there is none. */
  readonly version?: number;
}
interface Expiring {
  /** It expires after this time; left out: as the host says. */
  readonly ttl_ms?: number;
}
interface Paged {
  /** `next` of the page before. */
  readonly after?: string;
  readonly limit?: number;
}
interface Content {
  /** Text, or bytes as base64. */
  readonly text: string;
  readonly encoding?: 'utf8' | 'base64';
}

interface Verb<Input, Output> {
  readonly input: Input;
  readonly output: Output;
}

/** The verbs of each kind of memory: `caps.notes.get({ key: 'a' })`. */
export interface MemoryVerbs {
  kv: {
    /** The value of a key, or null. */
    // oxlint-disable-next-line typescript/no-explicit-any -- the agent knows what it keeps
    get: Verb<{ readonly key: string }, (KeptKey & { readonly value: any }) | null>;
    put: Verb<{ readonly key: string; readonly value: unknown } & Versioned & Expiring, KeptWrite>;
    delete: Verb<{ readonly key: string } & Versioned, KeptWrite>;
    /** Keys that begin with `key`, sorted. */
    list: Verb<{ readonly key?: string } & Paged, { readonly items: readonly KeptKey[]; readonly next?: string }>;
  };
  files: {
    /** At most 128 KiB of a file, from `offset` on, or null; `next` is the offset of the rest. */
    read: Verb<
      { readonly path: string; readonly encoding?: 'utf8' | 'base64'; readonly offset?: number; readonly length?: number },
      (KeptFile & { readonly text: string; readonly next?: number }) | null
    >;
    /** Files below `path`, sorted. */
    list: Verb<{ readonly path?: string } & Paged, { readonly items: readonly KeptFile[]; readonly next?: string }>;
    write: Verb<{ readonly path: string } & Content & Versioned & Expiring, KeptWrite & { readonly bytes: number }>;
    append: Verb<{ readonly path: string } & Content & Expiring, KeptWrite & { readonly bytes: number }>;
    remove: Verb<{ readonly path: string } & Versioned, KeptWrite & { readonly bytes: number }>;
  };
  memory: {
    remember: Verb<{ readonly text: string; readonly about?: string } & Expiring, { readonly id: string }>;
    /** Texts that have any of the words, the best first; without words the latest. */
    recall: Verb<
      { readonly words?: string; readonly about?: string; readonly limit?: number },
      { readonly items: readonly RememberedText[] }
    >;
    forget: Verb<{ readonly id: string; readonly about?: string }, { readonly done: boolean }>;
  };
}
