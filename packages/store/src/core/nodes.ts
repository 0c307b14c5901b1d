/**
 * The nodes at work on a store. Each join begins an era, whose number is the node's; a run belongs to the node that claimed it last. A
 * node is alive while its lease runs, by the clock of the store. Once its death was seen it stays dead, so two nodes never disagree about
 * it, and a time without any node is noted when the next one joins and never changes.
 */
import type { NodeRow } from '@corral/protocol/ports/nodes';
import type { HeldElsewhere } from '@corral/protocol/ports/store';
import type { NodeRows } from './engine.ts';

/** A lease that does not run out. */
const FOREVER = Number.MAX_SAFE_INTEGER;
/** How long a node that is gone is listed. */
const LISTED_MS = 86_400_000;

export class Nodes {
  readonly #rows: NodeRows;
  /** Milliseconds since 1970. */
  readonly #clock: () => number;
  /** Those that joined through this connection and have not left. */
  readonly #own = new Set<number>();
  /** Time of the last entry that moved the end of an era, by node. Milliseconds since 1970. */
  readonly #moved = new Map<number, number>();

  constructor(rows: NodeRows, clock: () => number) {
    this.#rows = rows;
    this.#clock = clock;
  }

  /** Counts an opening for writing. */
  opened(): number {
    this.#moved.clear();
    return this.#rows.opened();
  }

  join(name: string, now: number, lease_ms?: number): number {
    const clock = this.#clock();
    // Those whose lease has run out are dead from here on, or what is noted of a time without nodes could come to be wrong.
    this.#rows.expire(clock, name);
    const lease = lease_ms === undefined ? FOREVER : clock + lease_ms;
    const node = this.#rows.insert({ name, since: now, lease, lease_ms, away_from: this.#rows.silence()?.since });
    this.#own.add(node);
    return node;
  }

  beat(node: number, now: number): boolean {
    return this.#rows.beat(node, now, this.#clock());
  }

  leave(node: number, now?: number): void {
    this.#own.delete(node);
    this.#rows.end(node, now ?? 0);
    this.#rows.clearAttempts(node);
  }

  /** All that joined through this connection leave. */
  leaveAll(): void {
    for (const node of this.#own) this.leave(node);
  }

  /** Whether the death of a node was seen. */
  isDead(node: number): boolean {
    return this.#rows.lease(node) === 0;
  }

  /** Whether a node is alive to others; one that is not stays dead. */
  isAlive(node: number): boolean {
    const lease = this.#rows.lease(node);
    if (lease > this.#clock()) return true;
    if (lease > 0) this.#rows.end(node, 0);
    return false;
  }

  /** A node as others see it that want one of its runs. */
  named(node: number): HeldElsewhere {
    return { holder: node, ...this.#rows.named(node) };
  }

  all(most: number): NodeRow[] {
    const clock = this.#clock();
    return this.#rows.all(clock, clock - LISTED_MS, most).map(({ lease, ...row }) => ({
      ...row,
      alive: lease > 0,
      lease_until: lease === 0 || lease === FOREVER ? null : lease,
    }));
  }

  /** The last sign of life of a node, by its own clock; undefined: there is none. */
  lastSeen(node: number): number | undefined {
    return this.#rows.last(node);
  }

  /** Dead nodes that hold runs still. Only reads, so that a death may be looked for without being declared. */
  dead(): readonly number[] {
    return this.#rows.lost(this.#clock());
  }

  /**
   * An entry is a sign of life of the node that wrote it, so that no time without a node reaches back before an entry: what a run's wall
   * clock made of one as it was written stays true once a later node reads it back. Entries of the same millisecond cost one statement.
   */
  entry(node: number, at: number): void {
    if (at <= (this.#moved.get(node) ?? 0)) return;
    if (this.#rows.sign(node, at)) this.#moved.set(node, at);
  }

  /** A transaction was rolled back: what was moved may not have been. */
  doubt(): void {
    this.#moved.clear();
  }
}
