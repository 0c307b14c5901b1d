/** The nodes at work on a store, for people. */

/** A node as others see it. Times are in milliseconds since 1970. */
export interface NodeRow {
  readonly node: number;
  readonly name: string;
  /** When it joined. */
  readonly since: number;
  /** Its last sign of life, by its own clock. */
  readonly seen_at: number;
  /** Its lease has not run out. */
  readonly alive: boolean;
  /** When others may take its runs unless it says something, by the clock of the store; null: its lease never runs out. */
  readonly lease_until: number | null;
  /** Runs that it has in memory. */
  readonly runs: number;
}
