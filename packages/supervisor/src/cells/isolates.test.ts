/** The frames that a cell may send about its isolates, judged by their headers alone. */
import { expect, test } from 'vitest';
import { FrameKind, type FrameHead } from '@corral/protocol/wire/frame';
import { Isolates } from './isolates.ts';
import { Task } from './task.ts';

const loaded = (assignment: number): FrameHead => ({
  kind: FrameKind.loaded,
  incarnation: 1,
  assignment,
  crank: 0,
  cpu_us: 5_000,
  heap_kib: 0,
});

test('a cell says once that a bundle is loaded, also of a run that was moved elsewhere before its turn came', () => {
  const isolates = new Isolates();
  const assignment = isolates.make(1_000);
  const task = new Task({ kind: 'crank', assignment, crank: 1, limit_ms: 250, load_ms: isolates.load_ms(assignment) }, 0);
  for (let i = 0; i < 500; i++) isolates.drop(i === 0 ? assignment : isolates.make(1_000));
  expect(isolates.expects(loaded(assignment), task)).toBe(true);
  isolates.saysLoaded(assignment);
  task.hasLoaded(5);
  expect(isolates.expects(loaded(assignment), task)).toBe(false);
  expect(task.phase(105)).toEqual({ what: 'One crank', used_ms: 100, limit_ms: 250 });
});
