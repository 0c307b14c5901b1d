/** The oracle's record of a simulated world: the durable state of every run, and what has happened to it. */
import type { Grant } from '@corral/protocol/model/grant';
import type { GrantId, RunId } from '@corral/protocol/ids';
import type { RunRecord } from '@corral/protocol/model/run';
import type { SqliteCore } from '@corral/store/sqlite/core';
import type { KnownNodes } from './nodes.ts';
import type { Powers } from './powers.ts';
import { Setups } from './setup.ts';
import { Stopped } from './stopped.ts';
import type { Known } from './known.ts';
import { isTainted } from './taint.ts';
import { Wall } from './wall.ts';

export class Book {
  readonly runs = new Map<RunId, Known>();
  readonly grants = new Map<GrantId, Grant>();
  /** Number of uses of each grant with a limit. */
  readonly uses = new Map<GrantId, number>();
  /** Grants that someone has asked to revoke. */
  readonly revoking = new Set<GrantId>();
  /** Grants whose revocation an operator has a receipt for. */
  readonly revoked = new Set<GrantId>();
  /** Every message that ever became durable, with its receiver. */
  readonly sent = new Map<string, RunId>();
  readonly killAsked = new Set<RunId>();
  /** Runs whose kill an operator has a receipt for. */
  readonly killed = new Set<RunId>();
  readonly cancelAsked = new Set<RunId>();
  /** Runs that may have been lost with a cell. */
  readonly blamed = new Set<RunId>();
  /** Whether policies are in force. */
  governed = true;
  /** Maximum amount that a tenant may pay in a day, in millionths. */
  mostADay = Number.POSITIVE_INFINITY;
  /** Configurations of the hosts over time. */
  readonly setups = new Setups();
  /** Active quarantines. */
  readonly stopped = new Stopped();
  deaths = 0;
  hostsLost = 0;
  readonly quarantined = new Set<RunId>();
  /** Reasons for which a run may be ended, because it did something of the kind. */
  readonly excused = new Map<RunId, Set<string>>();
  /** Checks to make once the world is at rest. */
  readonly owed: (() => void)[] = [];
  /** The first violation. */
  violation: string | undefined;
  /**
   * Until this time the runs with calls under way occupied all places in memory, so no other run could be loaded and its deliveries had
   * to wait. Milliseconds since 1970.
   */
  crowdedUntil = 0;
  /** From this time on the world causes no more faults. Milliseconds since 1970. */
  calmFrom = Number.POSITIVE_INFINITY;
  now: () => number = () => 0;
  core!: SqliteCore;
  powers!: Powers;
  nodes!: KnownNodes;

  broken(what: string): void {
    this.violation ??= what;
  }

  must(holds: boolean, what: () => string): void {
    if (!holds) this.broken(what());
  }

  /** A run and its ancestors. */
  *lineage(known: Known): Generator<Known> {
    let one: Known | undefined = known;
    while (one !== undefined) {
      yield one;
      one = one.record.parent && this.runs.get(one.record.parent.run);
    }
  }

  /** Whether an operator has a receipt for the kill of a run or of one above it. */
  isDead(run: RunId): boolean {
    const known = this.runs.get(run);
    return known !== undefined && [...this.lineage(known)].some(({ record }) => this.killed.has(record.id));
  }

  admitted(record: RunRecord, claim: boolean): void {
    this.runs.set(record.id, {
      record,
      epoch: claim ? 1 : 0,
      seq: 0,
      parked: !claim,
      control: 'none',
      family: undefined,
      resumedAt: 0,
      outcome: undefined,
      began: undefined,
      paused_ms: 0,
      pausedAt: undefined,
      deadlocked: false,
      wall: new Wall(),
      calls: new Map(),
      sends: new Map(),
      unreached: new Set(),
      asks: new Map(),
      replied: new Set(),
      children: new Map(),
      timers: new Map(),
      given: new Set(),
      taken: new Set(),
      spent: { calls: 0, messages: 0, children: 0, cpu_ms: 0, bytes: 0 },
      given_bytes: 0,
      cancelled: false,
      cancelledTold: false,
      knows: { begun: false, tainted: isTainted(record.label), handles: [], opening: new Map() },
      slowed: false,
      toPause: undefined,
      notices: 0,
      finished: undefined,
    });
  }
}
