import { expect, test } from 'vitest';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Cell } from '../cells/cell.ts';
import type { Observation } from '../events/observation.ts';
import { Progress } from './progress.ts';
import type { Run } from '../runs/run.ts';

/** Some properties of a class, which a test may change. */
type Fake<T> = { -readonly [K in keyof T]?: T[K] };

/** A detector of stalls whose clock, runs and cells are set by the test, and which checks every half second. */
function host() {
  const seen: Observation[] = [];
  const state = {
    now: 0,
    waitingSince: undefined as number | undefined,
    runs: [] as Partial<Run>[],
    cells: [] as Fake<Cell>[],
    committing: false,
    failing: false,
  };
  const progress = new Progress({
    clock: { now: () => 1e12 + state.now, monotonic: () => state.now } as Clock,
    no_progress_ms: 15_000,
    runs: () => state.runs as unknown as Run[],
    cells: () => state.cells as unknown as Cell[],
    waitingSince: () => state.waitingSince,
    committing: () => state.committing,
    failing: () => state.failing,
    tell: (observation) => seen.push(observation),
  });
  const pass = (ms: number, meanwhile: () => void = () => undefined) => {
    for (const end = state.now + ms; state.now < end;) {
      state.now += 500;
      meanwhile();
      progress.look();
    }
  };
  const reasons = () => progress.stalls.map(({ reason }) => reason);
  return { state, progress, pass, reasons, seen };
}

const WAITING: Partial<Run> = { runnable: true, busySince: 0 };

test('a host without anything to do moves, however long nothing happens', () => {
  const { pass, reasons, seen } = host();
  pass(600_000);
  expect([reasons(), seen]).toEqual([[], []]);
});

test('a host whose runs wait for it says so once they have waited all of the time, and not again until something moved', () => {
  const { state, pass, progress, reasons, seen } = host();
  pass(60_000);
  state.runs = [{ ...WAITING, busySince: 60_000 }];
  pass(14_500);
  expect(reasons()).toEqual([]);
  pass(30_000);
  expect(progress.stalls).toEqual([{ reason: 'no_progress', since: 1e12 + 60_000, oldest_ms: 44_500 }]);
  expect(seen.map(({ kind }) => kind)).toEqual(['stalled']);
  progress.moved();
  expect(reasons()).toEqual([]);
  pass(14_500);
  expect(seen.map(({ kind }) => kind)).toEqual(['stalled', 'moves']);
});

test('a crank now and then is progress, and so is one that computes for long; one that stands still is none', () => {
  const { state, pass, progress, reasons } = host();
  state.runs = [WAITING];
  for (let i = 0; i < 10; i++) {
    pass(14_000);
    progress.moved();
  }
  expect(reasons()).toEqual([]);
  let used_ms = 0;
  const cell = { stuck: true, ready: true, task: { kind: 'crank' as const, used_ms } as unknown as Cell['task'] };
  state.cells = [cell];
  pass(60_000, () => (cell.task = { kind: 'crank', used_ms: (used_ms += 5) } as unknown as Cell['task']));
  expect(reasons()).toEqual([]);
  pass(15_000);
  expect(reasons()).toEqual(['no_progress']);
});

test('replays alone are no progress: a host that only brings runs back is stalled', () => {
  const { state, pass, reasons } = host();
  state.runs = [WAITING];
  let used_ms = 0;
  const cell: Fake<Cell> = { stuck: true };
  state.cells = [cell];
  pass(16_000, () => (cell.task = { kind: 'replay', used_ms: (used_ms += 100) } as unknown as Cell['task']));
  expect(reasons()).toEqual(['no_progress']);
});

test('a store that takes nothing in any more holds its host up', () => {
  const { state, pass, progress } = host();
  state.committing = true;
  pass(15_500);
  expect(progress.stalls).toMatchObject([{ reason: 'no_progress', oldest_ms: 0 }]);
});

test('runs that only the store has are waited for like those in memory', () => {
  const { state, pass, progress } = host();
  pass(60_000);
  state.waitingSince = 60_000;
  pass(15_500);
  expect(progress.stalls).toEqual([{ reason: 'no_progress', since: 1e12 + 60_000, oldest_ms: 15_500 }]);
  state.waitingSince = undefined;
  pass(500);
  expect(progress.stalls).toEqual([]);
});

test('time in which the whole host stood still is not held against its runs', () => {
  const { state, pass, reasons } = host();
  state.runs = [WAITING];
  pass(5_000);
  state.now += 3_600_000;
  pass(5_000);
  expect(reasons()).toEqual([]);
});

test('paused runs wait for people, and not for their host', () => {
  const { state, pass, reasons } = host();
  state.runs = [{ runnable: false, onCpu: {} as Run['onCpu'], control: 'paused' }];
  pass(60_000);
  expect(reasons()).toEqual([]);
});

test('cells that do not start are a reason until one is ready, unless one still is', () => {
  const { state, pass, progress, reasons, seen } = host();
  state.failing = true;
  state.cells = [{ ready: true, killed: false }];
  pass(1_000);
  expect(reasons()).toEqual([]);
  state.cells = [{ ready: false, killed: false }];
  pass(1_000);
  expect(reasons()).toEqual(['cells_do_not_start']);
  progress.started();
  expect([reasons(), seen.map(({ kind }) => kind)]).toEqual([[], ['stalled', 'moves']]);
});

test('a host that stops is not stalled', () => {
  const { state, pass, progress, reasons, seen } = host();
  state.runs = [WAITING];
  pass(16_000);
  progress.close();
  pass(60_000);
  expect([reasons(), seen.length]).toEqual([[], 1]);
});
