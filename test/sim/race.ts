/**
 * Provokes races between parking and waking: receivers are parked just when a message is on its way, and sleepers just when their timer
 * is due. The sweep, which would find a lost wake-up, runs rarely, so a lost wake-up shows as a message that is not taken.
 */
import type { RunId } from '@corral/protocol/ids';
import type { Commit } from '@corral/protocol/ports/store';
import { Dice } from './dice.ts';
import { lostWake } from './endings.ts';
import type { Step } from './guest.ts';
import type { Job } from './workload.ts';
import { PLAIN, type Temper } from './temper.ts';
import { World } from './world.ts';

export interface Races {
  readonly races: number;
  readonly parked: number;
  readonly refused: number;
  readonly lost: readonly string[];
  readonly seconds: number;
}

/** Maximum distance of a park and a wake that count as a race, and maximum time for a wake. */
const CLOSE_MS = 2;
const LATE_MS = 1_000;
const PAIRS = 8;
const SLEEPERS = 6;
/** Number of messages that a receiver takes, and of sleeps of a sleeper. */
const ROUNDS = 16;

const CALM: Partial<Temper> = {
  ...PLAIN,
  governed: false,
  disk: { sync_ms: [0.05, 1], failing: 0 },
  powers: { failing: 0, losing: 0, hanging: 0, slow: 0 },
  cells: { crashing: 0, stalling: 0, slow: 0, garbling: 0, stillborn: 0, metered: true },
  host: {
    cores: 4,
    maxCells: 4,
    cellsPerTenant: 2,
    spares: 1,
    pause_grace_ms: 0,
    residency: { park_after_ms: 3_600_000, runs_in_memory: 1_000, resident_mib: 4_096, sweep_ms: 60_000 },
  },
};

const caps = { put: { from: 'put' }, pay: { from: 'pay' }, boss: { from: 'self' } };
const times = (steps: (i: number) => readonly Step[]) => Array.from({ length: ROUNDS }, (_, i) => steps(i)).flat();

/** A sender that always has a call under way, so that it is not parked; and a receiver that takes each message in a segment of its own. */
function pair(dice: Dice): Job {
  const child = { steps: times(() => [{ do: 'receive', times: 1 }, { do: 'checkpoint' }]), obeys: true };
  const steps: readonly Step[] = [
    { do: 'spawn', as: 'kid', agent: 'leaf', program: child, caps, budget: {} },
    ...times((n) => [
      { do: 'call', cap: 'read', n },
      { do: 'send', to: 'kid', times: 1 },
    ]),
    { do: 'join', as: 'kid' },
  ];
  return { at: 0, tenant: dice.pick(['red', 'blue']), agent: 'root', program: { steps, obeys: true }, budget: {}, wall_ms: undefined };
}

function sleeper(dice: Dice): Job {
  const steps = times(() => [{ do: 'sleep', ms: Math.round(dice.spread(3, 15)) }, { do: 'checkpoint' }]);
  return { at: 0, tenant: dice.pick(['red', 'blue']), agent: 'root', program: { steps, obeys: true }, budget: {}, wall_ms: undefined };
}

export async function race(count: number, say: (what: string) => void): Promise<Races> {
  const began = performance.now();
  const sum = { races: 0, parked: 0, refused: 0, lost: [] as string[] };
  let told = began;
  for (let seed = 1; sum.races < count && sum.lost.length === 0; seed++) {
    await one(seed, sum);
    if (performance.now() - told < 5_000) continue;
    told = performance.now();
    say(`${sum.races} races`);
  }
  return { ...sum, seconds: (performance.now() - began) / 1000 };
}

async function one(seed: number, sum: { races: number; parked: number; refused: number; readonly lost: string[] }): Promise<void> {
  const world = new World(seed, false, CALM);
  const dice = new Dice(seed + 0x5eed);
  const { timeline, oracle } = world;
  /** Deliveries in inboxes that are not taken yet, with the time of their arrival. */
  const waiting = new Map<string, number>();
  const wokenAt = new Map<RunId, number>();
  const parkedAt = new Map<RunId, number>();
  const met = (run: RunId, other: ReadonlyMap<RunId, number>) => {
    if (Math.abs(timeline.now - (other.get(run) ?? Number.NEGATIVE_INFINITY)) <= CLOSE_MS) sum.races += 1;
  };
  const park = () => void world.host?.supervisor?.park();
  world.onWritten = (op, args, value) => {
    if (op === 'park') {
      const [run] = args as [RunId];
      if (value === true) sum.parked += 1;
      else sum.refused += 1;
      met(run, wokenAt);
      parkedAt.set(run, timeline.now);
    } else if (op === 'commit') {
      const { run, consumed, outbox, timers } = args[0] as Commit;
      for (const { due } of timers) {
        const in_ms = due - oracle.now();
        wokenAt.set(run, timeline.now + in_ms);
        timeline.after(in_ms + dice.between(-1.5, 0.5), park);
      }
      const since = waiting.get(`${run} ${consumed}`);
      if (since !== undefined && timeline.now - since > LATE_MS)
        sum.lost.push(`seed ${seed}: ${run} took item ${consumed} only after ${timeline.now - since} ms`);
      waiting.delete(`${run} ${consumed}`);
      const { delivered } = value as { delivered: readonly number[] };
      for (const [i, { to }] of outbox.entries()) {
        if ((delivered[i] ?? 0) === 0) continue;
        waiting.set(`${to} ${delivered[i]}`, timeline.now);
        met(to, parkedAt);
        wokenAt.set(to, timeline.now);
      }
    }
  };
  world.disk.onQueued = (op, args) => {
    if (op !== 'commit') return;
    if ((args[0] as Commit).outbox.length > 0) timeline.after(dice.spread(0.01, 1.5), park);
  };
  world.start();
  await timeline.run(200, () => false);
  for (let i = 0; i < PAIRS; i++) world.submit(pair(dice));
  for (let i = 0; i < SLEEPERS; i++) world.submit(sleeper(dice));
  const until = timeline.now + 20_000;
  while (timeline.now < until && oracle.violation === undefined) {
    await timeline.run(timeline.now + 50, () => oracle.violation !== undefined);
    if (oracle.runs.size === PAIRS * 2 + SLEEPERS && [...oracle.runs.values()].every(({ outcome }) => outcome !== undefined)) break;
  }
  if (oracle.violation !== undefined) sum.lost.push(`seed ${seed}: ${oracle.violation}`);
  for (const known of oracle.runs.values()) {
    const { record, outcome } = known;
    if (outcome?.kind === 'completed') continue;
    const why = outcome === undefined ? `does not go on: ${lostWake(oracle, known) ?? 'it waits'}` : `ended as ${outcome.kind}`;
    sum.lost.push(`seed ${seed}: ${record.id} (${record.agent}) ${why}`);
  }
  world.end();
}
