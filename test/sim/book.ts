/** What an oracle has seen of a simulated world: every run as the durable world has it, and what has befallen it. */
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
  /** What the policies had to say of it when it was decided; a call that is made again is not decided again. */
  readonly ruling: Ruling;
  answered: boolean;
  unknown: boolean;
  /** Its agent was told that its result is unknown, in words that may be the tool's. */
  toldUnknown: boolean;
  /** Somebody said what its result is. */
  settled: boolean;
  /** How often it may leave although it must not be repeated. */
  mayLeave: number;
  /** Who has approved it, of a call that people were asked about. */
  readonly approvedBy: Set<string>;
  /** What came of that. */
  approval: 'none' | 'waiting' | 'approved' | 'denied' | 'expired' | 'withdrawn';
  /** Its run awaits it no longer. */
  givenUp?: true;
  /** Every time it left, it did so before a crank that was lost: as its journal goes, it has not left yet. */
  onlyEarly?: boolean;
  /** The day on which it was let go, or made again by a person: the accounts above its run pay of that. */
  paysOn: string;
  /** The store has its answer, which must not be lost from then on. */
  kept?: true;
}

/** A run as the durable world has it. */
export interface Known {
  readonly record: RunRecord;
  epoch: number;
  seq: number;
  parked: boolean;
  control: Control;
  /** The run with whose descendants it was paused. */
  family: RunId | undefined;
  /** When its journal last said that it goes on, in milliseconds since 1970. */
  resumedAt: number;
  outcome: Outcome | undefined;
  began: number | undefined;
  paused_ms: number;
  pausedAt: number | undefined;
  readonly wall: Wall;
  readonly calls: Map<number, KnownCall>;
  readonly sends: Map<number, RunId>;
  /** Messages of it that reached nobody, by the effect that sent them. */
  readonly unreached: Set<number>;
  /** Of them, those that want a reply. */
  readonly asks: Map<number, { readonly peer: RunId; readonly grant: GrantId | undefined }>;
  /** What it replied, by the request. */
  readonly replied: Set<string>;
  readonly children: Map<number, { readonly run: RunId; told: boolean }>;
  /** `behind`: cranks that it made since the timer was due. */
  readonly timers: Map<number, { readonly due: number; over: boolean; behind: number }>;
  /** Messages it was given, by name. */
  readonly given: Set<string>;
  readonly taken: Set<number>;
  readonly spent: { calls: number; messages: number; children: number; cpu_ms: number };
  cancelled: boolean;
  cancelledTold: boolean;
  /** Whose words it knows. */
  readonly knows: Knowledge;
  /** It is on the rung of the ladder on which nothing is given to it for a while after each crank. */
  slowed: boolean;
  /** Its detectors asked for a pause under this epoch, which is not written down yet. */
  toPause: number | undefined;
  /** It was denied something that stops it besides, and nobody has let it go on since. */
  stoppedBy?: string | undefined;
  /** Notices that it is owed, given or not. */
  notices: number;
  finished: (Effect & { kind: 'finish' }) | undefined;
}

export class Book {
  readonly runs = new Map<RunId, Known>();
  readonly grants = new Map<GrantId, Grant>();
  /** How often each grant with a limit was used. */
  readonly uses = new Map<GrantId, number>();
  /** Grants that somebody has asked to take back. */
  readonly revoking = new Set<GrantId>();
  /** Grants that were taken back by people who have their receipt. */
  readonly revoked = new Set<GrantId>();
  /** Calls that left before they were durable, by key, with the epoch under which that was. */
  readonly early = new Map<string, number>();
  /** Every message that ever became durable, and whom it is for. */
  readonly sent = new Map<string, RunId>();
  readonly killAsked = new Set<RunId>();
  readonly cancelAsked = new Set<RunId>();
  /** Runs that may have been lost with a cell, and how many cells died by themselves. */
  readonly blamed = new Set<RunId>();
  /** Whether there are policies. */
  governed = true;
  /** What a tenant may pay in a day, in millionths. */
  mostADay = Number.POSITIVE_INFINITY;
  /** What hosts were configured with. */
  readonly setups = new Setups();
  /** What stands under quarantine. */
  readonly stopped = new Stopped();
  deaths = 0;
  hostsLost = 0;
  readonly quarantined = new Set<RunId>();
  /** What a run may be ended for, since it did it. */
  readonly excused = new Map<RunId, Set<string>>();
  /** What must have come true by the time the world is at rest. */
  readonly owed: (() => void)[] = [];
  /** The first thing that did not hold. */
  violation: string | undefined;
  /**
   * Until when the runs that have calls out took all places in memory, in milliseconds since 1970: no other run could come in, and
   * what was due for one waited.
   */
  crowdedUntil = 0;
  /** From when on nothing goes wrong, in milliseconds since 1970. */
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

  /** A run and those it descends from. */
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
