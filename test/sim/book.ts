/** The oracle's record of a simulated world: the durable state of every run, and what has happened to it. */
import type { Decision } from '@corral/protocol/model/decision';
import type { Effect } from '@corral/protocol/wire/effect';
import type { Grant } from '@corral/protocol/model/grant';
import type { GrantId, RunId } from '@corral/protocol/ids';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Control, RunRecord } from '@corral/protocol/model/run';
import type { SqliteCore } from '@corral/store/sqlite/core';
import type { Powers } from './powers.ts';
import type { Ruling } from './rules.ts';
import { Setups } from './setup.ts';
import { Stopped } from './stopped.ts';
import { isTainted, type Knowledge } from './taint.ts';
import { Wall } from './wall.ts';

export interface KnownCall {
  readonly decision: Decision;
  readonly n: number;
  /** The policies' verdict when the call was decided; it is not decided again when it is made again. */
  readonly ruling: Ruling;
  answered: boolean;
  unknown: boolean;
  /** The agent was told that the result is unknown, possibly in the tool's own words. */
  toldUnknown: boolean;
  /** The result was decided by a person or by the host. */
  settled: boolean;
  /** How often the call may be sent, if it may not be repeated. */
  mayLeave: number;
  /** People who have approved the call. */
  readonly approvedBy: Set<string>;
  /** The state of the approval. */
  approval: 'none' | 'waiting' | 'approved' | 'denied' | 'expired' | 'withdrawn';
  /** The run no longer awaits it. */
  givenUp?: true;
  /** The call was sent only before cranks that were lost: according to its journal it has not been sent. */
  onlyEarly?: boolean;
  /** The day whose accounts pay for it: the day on which it was decided, approved, or made again by a person. */
  paysOn: string;
  /** The store has the answer, so the answer must not be lost from now on. */
  kept?: true;
}

/** The durable state of a run. */
export interface Known {
  readonly record: RunRecord;
  epoch: number;
  seq: number;
  parked: boolean;
  control: Control;
  /** The run with whose descendants it was paused. */
  family: RunId | undefined;
  /** Time of the journal's last resume, in milliseconds since 1970. */
  resumedAt: number;
  outcome: Outcome | undefined;
  began: number | undefined;
  paused_ms: number;
  pausedAt: number | undefined;
  readonly wall: Wall;
  readonly calls: Map<number, KnownCall>;
  readonly sends: Map<number, RunId>;
  /** Messages of the run that reached nobody, by the effect that sent them. */
  readonly unreached: Set<number>;
  /** Messages that want a reply, by effect. */
  readonly asks: Map<number, { readonly peer: RunId; readonly grant: GrantId | undefined }>;
  /** Requests that the run has replied to. */
  readonly replied: Set<string>;
  readonly children: Map<number, { readonly run: RunId; told: boolean }>;
  /** `behind`: number of cranks since the timer was due. */
  readonly timers: Map<number, { readonly due: number; over: boolean; behind: number }>;
  /** Names of the messages that were delivered to it. */
  readonly given: Set<string>;
  readonly taken: Set<number>;
  readonly spent: { calls: number; messages: number; children: number; cpu_ms: number };
  cancelled: boolean;
  cancelledTold: boolean;
  /** The influences on what the run knows. */
  readonly knows: Knowledge;
  /** The ladder slows the run: after each crank it gets no delivery for a while. */
  slowed: boolean;
  /** The epoch under which its detectors asked for a pause that is not durable yet. */
  toPause: number | undefined;
  /** The cause of a denial that also stopped the run, until a person resumes it. */
  stoppedBy?: string | undefined;
  /** Number of notices decided and not delivered yet. */
  notices: number;
  finished: (Effect & { kind: 'finish' }) | undefined;
}

export class Book {
  readonly runs = new Map<RunId, Known>();
  readonly grants = new Map<GrantId, Grant>();
  /** Number of uses of each grant with a limit. */
  readonly uses = new Map<GrantId, number>();
  /** Grants that someone has asked to revoke. */
  readonly revoking = new Set<GrantId>();
  /** Grants whose revocation an operator has a receipt for. */
  readonly revoked = new Set<GrantId>();
  /** Calls that were sent before they were durable, by key, with the epoch at that time. */
  readonly early = new Map<string, number>();
  /** Every message that ever became durable, with its receiver. */
  readonly sent = new Map<string, RunId>();
  readonly killAsked = new Set<RunId>();
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
      spent: { calls: 0, messages: 0, children: 0, cpu_ms: 0 },
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
