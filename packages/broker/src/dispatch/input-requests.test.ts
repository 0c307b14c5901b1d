import { expect, test } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import { InputRequests } from './input-requests.ts';

const RUN = 'run_a' as RunId;

function requests() {
  let now = 0;
  const timers = new Set<{ readonly due: number; readonly ring: () => void }>();
  const inputs = new InputRequests({
    after: (ms, ring) => {
      const timer = { due: now + ms, ring };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
  });
  const pass = (ms: number) => {
    now += ms;
    for (const timer of timers) if (timer.due <= now && timers.delete(timer)) timer.ring();
  };
  return { inputs, timers, pass, abort: new AbortController() };
}

test('a tool whose run went on elsewhere, of which its host heard nothing, is told once the time for an answer is over', () => {
  const { inputs, pass, abort } = requests();
  inputs.hold(RUN, 1, abort);
  inputs.endAfter(RUN, 1, 60_000);
  pass(59_999);
  expect([inputs.has(RUN, 1), abort.signal.aborted]).toEqual([true, false]);
  pass(1);
  expect([inputs.has(RUN, 1), abort.signal.aborted]).toEqual([false, true]);
});

test('the time of a request is not that of the next one of the same call, and no timer is left of a call that went on or a run that ended', () => {
  const { inputs, timers, pass, abort } = requests();
  inputs.hold(RUN, 1, new AbortController());
  inputs.endAfter(RUN, 1, 1_000);
  inputs.release(RUN, 1);
  inputs.hold(RUN, 1, abort);
  inputs.endAfter(RUN, 1, 5_000);
  pass(2_000);
  expect([inputs.has(RUN, 1), abort.signal.aborted, timers.size]).toEqual([true, false, 1]);
  inputs.dropRun(RUN);
  expect([abort.signal.aborted, timers.size]).toEqual([true, 0]);
  inputs.endAfter(RUN, 1, 1_000);
  expect(timers.size).toBe(0);
});
