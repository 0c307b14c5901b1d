/** The parameters of a simulated world, drawn from its seed before it starts. */
import { DETECTORS } from '@corral/policy/detection/list';
import type { LadderLayer } from '@corral/policy/detection/ladder';
import type { Dice } from './dice.ts';
import { FAITHFUL, type RumourTemper } from './rumours.ts';

/**
 * The kinds and amount of trouble in a world, drawn from its seed. Many worlds have only some kinds, so that each kind is also tested
 * alone.
 */
export type Temper = ReturnType<typeof temperOf>;
export function temperOf(dice: Dice) {
  const rough = (most: number) => (dice.chance(0.5) ? 0 : dice.spread(most / 30, most));
  return {
    /** Whether there are detectors and policies. */
    governed: true,
    chaos_ms: dice.spread(1_000, 8_000),
    jobs: 2 + dice.below(7),
    crash_every_ms: dice.chance(0.6) ? dice.spread(150, 4_000) : Number.POSITIVE_INFINITY,
    strike_every_ms: dice.chance(0.4) ? dice.spread(200, 4_000) : Number.POSITIVE_INFINITY,
    operate_every_ms: dice.chance(0.75) ? dice.spread(10, 800) : Number.POSITIVE_INFINITY,
    park_every_ms: dice.chance(0.5) ? dice.spread(3, 300) : Number.POSITIVE_INFINITY,
    /** Probability that all runs are parked just when something is sent to a run. */
    parkOnWake: dice.chance(0.3) ? dice.spread(0.1, 1) : 0,
    full_every_ms: dice.chance(0.3) ? dice.spread(300, 4_000) : Number.POSITIVE_INFINITY,
    slow_every_ms: dice.chance(0.3) ? dice.spread(300, 4_000) : Number.POSITIVE_INFINITY,
    disk: { sync_ms: [0.05, dice.spread(0.2, 10)] as const, failing: dice.chance(0.2) ? dice.spread(0.001, 0.05) : 0 },
    powers: { failing: rough(0.1), losing: rough(0.1), hanging: rough(0.05), slow: rough(0.3) },
    cells: {
      crashing: rough(0.02),
      stalling: rough(0.02),
      slow: rough(0.1),
      garbling: rough(0.01),
      stillborn: rough(0.3),
      metered: dice.chance(0.8),
    },
    work: { wicked: rough(0.05), long: dice.below(2), poor: rough(0.6) },
    host: {
      cores: dice.pick([1, 2, 4]),
      maxCells: dice.pick([2, 4, 8]),
      cellsPerTenant: dice.pick([1, 2, 3]),
      spares: dice.pick([0, 1]),
      pause_grace_ms: dice.pick([0, 30, 500, 5_000]),
      residency: {
        park_after_ms: dice.pick([0, 20, 200, 5_000]),
        runs_in_memory: dice.pick([2, 4, 10, 1_000, 1_000]),
        resident_mib: dice.pick([1, 4_096]),
        sweep_ms: dice.pick([100, 300, 1_000]),
      },
    },
    // Drawn last, so that everything above stays the same for a seed; see PLAIN.
    quarantine_every_ms: dice.chance(0.3) ? dice.spread(100, 2_000) : Number.POSITIVE_INFINITY,
    configure_every_ms: dice.chance(0.3) ? dice.spread(200, 3_000) : Number.POSITIVE_INFINITY,
    /** Whether each host starts with a configuration of its own. */
    varied: dice.chance(0.3),
    /** Interval of kills of runs that have descendants. */
    families_every_ms: dice.chance(0.25) ? dice.spread(40, 800) : Number.POSITIVE_INFINITY,
    /** Maximum number of cells that fail to start in a row. */
    stillbirths: dice.chance(0.1) ? 8 : 2,
    /** Time that people have to approve; undefined: a day. */
    approval_ms: dice.chance(0.3) ? Math.round(dice.spread(5, 3_000)) : undefined,
    /** Payments are lost, and purses are small. */
    debts: dice.chance(0.1),
    /** Interval of cancels with a grace period, under hosts that die before it is over. */
    stubborn_every_ms: dice.chance(0.08) ? dice.spread(100, 600) : Number.POSITIVE_INFINITY,
    /** Interval of pausing and resuming runs with their descendants. */
    family_pauses_every_ms: dice.chance(0.3) ? dice.spread(40, 800) : Number.POSITIVE_INFINITY,
    /**
     * A day that ends while people are asked about payments: the time until then, and a tenant's limit for a day. Undefined: no day ends,
     * and there is no limit.
     */
    midnight: dice.chance(0.12) ? { in_ms: Math.round(dice.spread(100, 4_000)), money: dice.pick([20, 40, 80, 1_000]) } : undefined,
    /** Faults of wake-up hints. */
    hints: hintsFrom(dice),
    /** Maximum effects of a slice, maximum gap after it, and the odds that a person intervenes in the gap; undefined: cranks are not sliced. */
    slices: dice.chance(0.5)
      ? { effects: dice.pick([1, 1, 2, 4]), gap_ms: dice.pick([1, 30, 400]), meddling: dice.chance(0.6) ? dice.spread(0.05, 0.6) : 0 }
      : undefined,
    /** Hosts at once. */
    supervisors: 1,
    /** Probability that the answer to a call is read in parts. */
    streams: dice.chance(0.5) ? dice.spread(0.1, 0.8) : 0,
    /** Whether jobs put questions to people. */
    questions: dice.chance(0.15),
    /** Whether jobs wait for messages by descendants whose end nobody tells them. */
    heirs: dice.chance(0.15),
  };
}

function hintsFrom(dice: Dice): RumourTemper {
  if (!dice.chance(0.3)) return FAITHFUL;
  if (dice.chance(0.25)) return { ...FAITHFUL, dropped: 1 };
  const odds = () => (dice.chance(0.5) ? 0 : dice.spread(0.02, 0.8));
  return { dropped: odds(), doubled: odds(), late: odds() };
}

/** Not simulated with several hosts: configurations of which each host has its own, and what would change the worlds of recorded seeds. */
export const FLEET: Partial<Temper> = { varied: false, heirs: false };

/** Worlds as they were when the first seeds were recorded, without the kinds of trouble added since. */
export const PLAIN: Partial<Temper> = {
  quarantine_every_ms: Number.POSITIVE_INFINITY,
  configure_every_ms: Number.POSITIVE_INFINITY,
  varied: false,
  families_every_ms: Number.POSITIVE_INFINITY,
  stillbirths: 2,
  approval_ms: undefined,
  debts: false,
  stubborn_every_ms: Number.POSITIVE_INFINITY,
  family_pauses_every_ms: Number.POSITIVE_INFINITY,
  midnight: undefined,
  hints: FAITHFUL,
  slices: undefined,
  streams: 0,
  questions: false,
  heirs: false,
};

/** A ladder that acts early and never kills, so that everything it does must be undone again. */
const NEVER = { kill: null };
export const EAGER: LadderLayer = {
  detectors: Object.fromEntries(DETECTORS.map((name) => [name, { notice: 0.3, slow: 0.4, pause: 0.6, ...NEVER }])),
  grace_events: 1,
};
