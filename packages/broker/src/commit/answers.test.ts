import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Result } from '@corral/protocol/wire/delivery';
import type { RunId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Store } from '@corral/protocol/ports/store';
import { Answers } from './answers.ts';

const WAIT_MS = MACHINE.answer_wait_ms.default;
const result = (id: number): Result => ({ id, value: id });
const owner = (name: string) => ({ id: `run_${name}` as RunId, epoch: 1 });

/** Answers with a clock of their own, and a list of what the store was asked to keep. */
function setup() {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const clock: Clock = {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    after: (ms: number, what: () => void) => {
      const timer = setTimeout(what, ms);
      return () => clearTimeout(timer);
    },
  };
  const kept: string[] = [];
  let refusing = false;
  const keep: Store['keep'] = (run, _, results) => {
    if (refusing) return Promise.reject(new Error('no space'));
    kept.push(...results.map(({ id }) => `${run}:${id}`));
    return Promise.resolve();
  };
  return {
    answers: new Answers({ keep } as Store, clock),
    kept,
    pass: (ms: number) => vi.advanceTimersByTimeAsync(ms),
    refuse: (on: boolean) => (refusing = on),
  };
}

describe('an answer that may not be repeated', () => {
  test('is kept by itself once it has waited for its crank, and one whose crank came in time is not', async () => {
    const { answers, kept, pass } = setup();
    const [ada, bob] = [owner('ada'), owner('bob')];
    answers.hold(ada, result(1));
    answers.hold(bob, result(1));
    await pass(WAIT_MS / 2);
    expect(answers.taken(bob.id, [1])).toEqual([]);
    await pass(WAIT_MS);
    expect(kept).toEqual(['run_ada:1']);
    expect(answers.isKept(ada.id, 1)).toBe(true);
    expect(answers.taken(ada.id, [1])).toEqual([1]);
  });

  test('waits its own time, whatever other runs are answered before it', async () => {
    const { answers, kept, pass } = setup();
    answers.hold(owner('ada'), result(1));
    await pass(WAIT_MS - 1);
    answers.hold(owner('bob'), result(1));
    await pass(1);
    expect(kept).toEqual(['run_ada:1']);
    await pass(WAIT_MS - 1);
    expect(kept).toEqual(['run_ada:1', 'run_bob:1']);
  });

  test('is handed over at once where its run leaves memory, and those of other runs wait on', async () => {
    const { answers, kept } = setup();
    answers.hold(owner('ada'), result(1));
    answers.hold(owner('bob'), result(1));
    await answers.keep(owner('ada'), []);
    expect(kept).toEqual(['run_ada:1']);
  });

  test('that the store had no room for is handed over again when the host stops', async () => {
    const { answers, kept, pass, refuse } = setup();
    refuse(true);
    answers.hold(owner('ada'), result(1));
    await pass(WAIT_MS);
    expect(answers.isKept(owner('ada').id, 1)).toBe(false);
    refuse(false);
    await answers.flush();
    expect(kept).toEqual(['run_ada:1']);
  });

  test('that was part of a commit the store had refused is handed over by itself, at the latest when the host stops', async () => {
    const { answers, kept, pass, refuse } = setup();
    const [ada, bob] = [owner('ada'), owner('bob')];
    for (const one of [ada, bob]) {
      answers.hold(one, result(1));
      expect(answers.taken(one.id, [1])).toEqual([]);
    }
    refuse(true);
    answers.refused(ada, [result(1)]);
    await pass(2 * WAIT_MS);
    expect(kept).toEqual([]);
    refuse(false);
    answers.refused(bob, [result(1)]);
    await pass(2 * WAIT_MS);
    expect(kept).toEqual(['run_bob:1']);
    await answers.flush();
    expect(kept).toEqual(['run_bob:1', 'run_ada:1']);
    expect(answers.taken(ada.id, [1])).toEqual([1]);
  });

  test('of a run that has ended is kept no more', async () => {
    const { answers, kept, pass } = setup();
    answers.hold(owner('ada'), result(1));
    answers.forget(owner('ada').id);
    await pass(2 * WAIT_MS);
    expect(kept).toEqual([]);
  });
});
