/** What Corral asks of the machine. Composition roots hand in the real ones; a simulated world hands in its own. */
import type { CorralError } from './errors.ts';
import type { RunId } from './ids.ts';

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds from some fixed point; never goes back. */
  monotonic(): number;
  /** Calls `then` once, not before `ms` have passed. Returns what calls it off. */
  after(ms: number, then: () => void): () => void;
}

/** Returns `n` bytes that nobody can guess. */
export type Random = (n: number) => Uint8Array;

/** What a process has used so far, as the operating system says. */
export interface ProcessMeter {
  readonly cpu_ms: number;
  readonly rss_mib: number;
  /** It has started processes of its own, as of a moment ago. */
  readonly children?: boolean;
}

/** How a process ended. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** The end of what it wrote to its error output. */
  readonly lastWords: string;
}

export interface CellProcessEvents {
  readonly onBytes: (bytes: Buffer) => void;
  readonly onExit: (exit: ProcessExit) => void;
}

/** A cell's process, seen from the supervisor. */
export interface CellProcess {
  readonly pid: number | undefined;
  write(bytes: Buffer): void;
  /** Stops it where it stands; false when it is gone. */
  freeze(): boolean;
  thaw(): boolean;
  /** Whether it really stands still by now; undefined where the platform does not tell. */
  stopped(): boolean | undefined;
  kill(): void;
  /** Puts it behind every other cell on the CPU, or back; where the platform would not let it come back, nothing happens. */
  demote(behind: boolean): void;
  /** Measured from outside; undefined where the platform has no way, or the process is gone. */
  meter(): ProcessMeter | undefined;
}

export interface CellLauncher {
  launch(events: CellProcessEvents): CellProcess;
}

/** A key as it is written down: under a key of the tenant, which the key ring alone knows. */
export interface WrappedKey {
  /** Version of the tenant's key that wrapped it. */
  readonly version: number;
  readonly wrapped: Uint8Array;
}

/**
 * The keys of tenants. It is asked in the middle of a write, so it answers at once: what has to be fetched (from a file, from
 * a key service) is fetched before the store opens.
 */
export interface KeyRing {
  /** @param context what the key is for; unwrapping asks for the same, so that wrapped keys cannot be exchanged */
  wrap(tenant: string, key: Uint8Array, context: string): WrappedKey;
  /** @throws CORRAL_KEYS_MISSING where this version is not on the ring; an Error where the key or its context was changed */
  unwrap(tenant: string, wrapped: WrappedKey, context: string): Uint8Array;
  /** A secret of the tenant for one purpose, the same each time. */
  derive(tenant: string, purpose: string): Uint8Array;
  /** A number for each version on the ring that tells another key apart and gives nothing away. */
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
   * one, which follows. What the handler throws is dropped with the hint.
   */
  subscribe(handler: (run: RunId) => void | Promise<unknown>): void;
  /** What keeps hints from arriving at present. */
  readonly trouble: WakeUpTrouble | undefined;
  /** No hint is handed over any more. */
  close(): Promise<void>;
}
