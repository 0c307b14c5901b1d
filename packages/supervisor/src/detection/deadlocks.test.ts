import { expect, test } from 'vitest';
import type { Finding } from '@corral/policy/detection/list';
import type { GrantId, RunId } from '@corral/protocol/ids';
import type { Run } from '../runs/run.ts';
import { Deadlocks } from './deadlocks.ts';

const [PARENT, CHILD] = ['run_parent', 'run_child'] as unknown as [RunId, RunId];
const moment = () => new Promise((resolve) => setImmediate(resolve));

/** A parent that waits for its child, which waits for a message; and a store that says whether a run elsewhere could write to the child. */
function pair() {
  const waiting = (id: RunId, pending: readonly unknown[], listening: boolean) =>
    ({
      id,
      control: 'none',
      hasWork: false,
      isAtWork: false,
      ledger: {
        seq: 1,
        segment_entries: 1,
        pending: new Map(pending.entries()),
        listening,
        caps: new Map([[0, `grant_${id}` as GrantId]]),
      },
    }) as unknown as Run;
  const runs = new Map([
    [PARENT, waiting(PARENT, [{ kind: 'child', run: CHILD }], false)],
    [CHILD, waiting(CHILD, [], true)],
  ]);
  let now = 0;
  let answer: boolean | Error = true;
  const asked: { readonly at: number; readonly besides: readonly RunId[] }[] = [];
  const found: Finding[] = [];
  const deadlocks = new Deadlocks(
    {
      clock: { monotonic: () => now },
      store: {
        async isShared(_, besides = []) {
          asked.push({ at: now, besides });
          if (answer instanceof Error) throw answer;
          return answer;
        },
      },
      broker: { settled: async () => undefined },
      grants: { writersTo: (id) => (id === CHILD ? [PARENT] : []) },
      runs,
      residency: { hold: async (id) => runs.get(id) },
    },
    (some) => void found.push(...some),
  );
  return {
    runs,
    asked,
    found,
    deadlocks,
    says: (shared: boolean | Error) => void (answer = shared),
    async look() {
      for (const run of runs.values()) deadlocks.look(run);
      await moment();
    },
    /** Lets time pass, with a pass a second. */
    async pass(ms: number) {
      for (const end = now + ms; now < end;) {
        now += 1_000;
        deadlocks.lookAgain();
        await moment();
      }
    },
  };
}

test('a group that nobody else can write to is found at once', async () => {
  const one = pair();
  one.says(false);
  await one.look();
  expect(one.found[0]?.evidence.subjects.toSorted()).toEqual([CHILD, PARENT]);
  expect(one.asked[0]?.besides.toSorted()).toEqual([CHILD, PARENT]);
});

test.each<[string, boolean | Error]>([
  ['a parked run could write to it', true],
  ['the store did not answer', new Error('busy')],
])('a group is looked at again, ever less often, where %s', async (_, says) => {
  const one = pair();
  one.says(says);
  await one.look();
  await one.pass(3_600_000);
  expect(one.found).toEqual([]);
  expect(one.asked.length).toBeGreaterThan(10);
  expect(one.asked.length).toBeLessThan(60);
  one.says(false);
  await one.pass(600_000);
  expect(one.found[0]?.evidence.subjects.toSorted()).toEqual([CHILD, PARENT]);
});

test('a group of which one has gone on is not asked about again', async () => {
  const one = pair();
  await one.look();
  const asked = one.asked.length;
  one.deadlocks.goes(CHILD);
  one.deadlocks.goes(PARENT);
  one.says(false);
  await one.pass(3_600_000);
  expect([one.asked.length, one.found]).toEqual([asked, []]);
});
