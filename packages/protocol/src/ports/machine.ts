/** Services of the machine that Corral needs. Composition roots pass in the real ones; the simulator passes in its own. */
import type { CorralError } from '../errors.ts';
import type { RunId } from '../ids.ts';

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds since an arbitrary moment; never decreases. */
  monotonic(): number;
  /**
   * CPU time of this thread so far, in milliseconds; never decreases, and may be half a millisecond ahead. Left out where nothing measures
   * it, and then `monotonic` stands in for it.
   */
  cpu?(): number;
  /** Calls `then` once, after at least `ms`. Returns a function that cancels it. */
  after(ms: number, then: () => void): () => void;
}

/** Returns `n` unpredictable bytes. */
export type Random = (n: number) => Uint8Array;

/** Resources a process has used so far, measured by the operating system. */
export interface ProcessMeter {
  /** CPU time of its main thread, which runs the cranks. */
  readonly cpu_ms: number;
  /** CPU time of all of its threads; undefined if the platform does not tell. May be a little older, and in units of 10 ms. */
  readonly all_cpu_ms?: number;
  /** Resident memory, and what the process holds besides: swapped out, or in page tables. */
  readonly rss_mib: number;
  /** Whether it has started processes of its own; may be slightly out of date. */
  readonly children?: boolean;
}

/**
 * Why the operating system ended a process: it made a system call that no sound cell makes (its name, where the system says it), or it took
 * too much memory.
 */
export type ExitCause = { readonly kind: 'call'; readonly call: string | undefined } | { readonly kind: 'memory' };

/** How a process ended. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** The end of its error output. */
  readonly lastWords: string;
  readonly cause?: ExitCause;
}

export interface CellProcessEvents {
  readonly onBytes: (bytes: Buffer) => void;
  readonly onExit: (exit: ProcessExit) => void;
}

/** A cell's process, as the supervisor sees it. */
export interface CellProcess {
  readonly pid: number | undefined;
  write(bytes: Buffer): void;
  /** Bytes of `write` that the process has certainly not read, because it has not read what was written before. */
  unsent?(): number;
  /** Stops it at once; false if it has ended. */
  freeze(): boolean;
  thaw(): boolean;
  /** Whether it has actually stopped; undefined if the platform does not tell. */
  stopped(): boolean | undefined;
  kill(): void;
  /**
   * Gives it lower CPU priority than every other cell, or restores it; does nothing on platforms that would not allow the
   * restoration.
   */
  demote(behind: boolean): void;
  /** Measured from outside; undefined if the platform cannot, or the process has ended. */
  meter(): ProcessMeter | undefined;
}

export interface CellLauncher {
  launch(events: CellProcessEvents): CellProcess;
}

/** A key as stored: encrypted under a key of the tenant that only the key ring has. */
export interface WrappedKey {
  /** Version of the tenant's key that wrapped it. */
  readonly version: number;
  readonly wrapped: Uint8Array;
}

/**
 * The keys of tenants. It is used in the middle of a write, so it answers synchronously: keys from a file or a key service are
 * fetched before the store opens.
 */
export interface KeyRing {
  /** @param context what the key is for; unwrapping needs the same, so that wrapped keys cannot be exchanged */
  wrap(tenant: string, key: Uint8Array, context: string): WrappedKey;
  /** @throws CORRAL_KEYS_MISSING if the ring does not have this version; an Error if the key or its context was changed */
  unwrap(tenant: string, wrapped: WrappedKey, context: string): Uint8Array;
  /** A secret of the tenant for one purpose; always the same. */
  derive(tenant: string, purpose: string): Uint8Array;
  /** A fingerprint for each version on the ring: it differs for another key, and does not reveal the key. */
  fingerprints(): ReadonlyMap<number, string>;
}

/** Why hints are lost, and since when (milliseconds since 1970). */
export interface WakeUpTrouble {
  readonly error: CorralError;
  readonly since: number;
}

/**
 * Carries hints that a run may have something to do. The inbox, the timers and the states in the store are the truth, and a sweep finds
 * by them every run that a hint should have woken. So a hint may be lost, come twice, or come late, and nothing but time is lost by it.
 */
export interface WakeUps {
  /**
   * A run may have something to do: now, or from a time on. Never waits and never fails; what cannot be carried is dropped.
   * @param at milliseconds since 1970. An adapter need not keep a hint for later, and never hands one over early.
   */
  wake(run: RunId, at?: number): void;
  /**
   * Hands hints to a handler from now on. As long as what the handler returned for a run is pending, further hints for that run become
   * one, which follows. Errors of the handler are dropped with the hint.
   */
  subscribe(handler: (run: RunId) => void | Promise<unknown>): void;
  /** The fault that keeps hints from arriving at present. */
  readonly trouble: WakeUpTrouble | undefined;
  /** No hint is handed over any more. */
  close(): Promise<void>;
}
