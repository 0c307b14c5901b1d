import { expect, test } from 'vitest';
import type { Finding } from '@corral/policy/detection/list';
import type { GrantId, RunId } from '@corral/protocol/ids';
import type { Run } from '../runs/run.ts';
import { Deadlocks } from './deadlocks.ts';

const id = (name: string) => `run_${name}` as RunId;
const moment = () => new Promise((resolve) => setImmediate(resolve));

interface Waiting {
  /** Children for whose end it waits. */
  readonly children?: readonly string[];
  /** Runs that may write to it, while it waits for a message. */
  readonly writers?: readonly string[];
}

/** Runs in memory that wait for each other, and a store that says whether a run elsewhere could write to one of them. */
function group(waits: Readonly<Record<string, Waiting>>) {
  const writers = new Map(Object.entries(waits).map(([name, one]) => [id(name), one.writers?.map((other) => id(other)) ?? []]));
  const waiting = ([name, { children = [], writers: some }]: [string, Waiting]) => ({
    id: id(name),
    control: 'none',
    hasWork: false,
    isAtWork: false,
    ledger: {
      seq: 1,
      segment_entries: 1,
      record: {},
      pending: new Map(children.map((child, i) => [i, { kind: 'child', run: id(child) }])),
      listening: some !== undefined,
      caps: new Map([[0, `grant_${name}` as GrantId]]),
    },
  });
  const runs = new Map(Object.entries(waits).map((one) => [id(one[0]), waiting(one)]));
  let now = 0;
  const state = { isShared: async (_mailbox: string): Promise<boolean> => false, held: 0 };
  const asked: { readonly at: number; readonly besides: readonly RunId[] }[] = [];
  const found: Finding[] = [];
  const parked = new Map<RunId, Run>();
  const living = runs as unknown as Map<RunId, Run>;
  const deadlocks = new Deadlocks(
    {
      clock: { monotonic: () => now },
      store: {
        async isShared(mailbox, besides = []) {
          asked.push({ at: now, besides });
          return state.isShared(mailbox);
        },
      },
      broker: { settled: async () => undefined, isCommitting: () => false },
      grants: { writersTo: (run) => writers.get(run) ?? [] },
      runs: living,
      residency: {
        hold: async (run) => {
          state.held += 1;
          const back = parked.get(run);
          if (back !== undefined) living.set(run, back);
          return living.get(run);
        },
        refresh: async () => true,
      },
    },
    (some) => void found.push(...some),
  );
  return {
    /** Takes a run out of memory before it was looked at. */
    park: (name: string) => {
      parked.set(id(name), living.get(id(name)) as Run);
      living.delete(id(name));
    },
    run: (name: string) => runs.get(id(name)) as { isAtWork: boolean },
    writers,
    state,
    asked,
    found,
    deadlocks,
    async look(...names: readonly string[]) {
      for (const name of names) deadlocks.look(living.get(id(name)) as Run);
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

const pair = () => group({ parent: { children: ['child'] }, child: { writers: ['parent'] } });
const PAIR = [id('child'), id('parent')];

test('a group that nobody else can write to is found at once, and is said once', async () => {
  const one = pair();
  await one.look('parent', 'child');
  expect(one.found[0]?.evidence.subjects.toSorted()).toEqual(PAIR);
  expect(one.asked[0]?.besides.toSorted()).toEqual(PAIR);
  const said = one.found.length;
  await one.pass(60_000);
  expect(one.found.length).toBe(said);
});

test.each<[string, () => Promise<boolean>]>([
  ['another run could write to it', async () => true],
  ['the store did not answer', () => Promise.reject(new Error('busy'))],
])('a group is looked at again, ever less often, where %s', async (_, answer) => {
  const one = pair();
  one.state.isShared = answer;
  await one.look('parent', 'child');
  await one.pass(3_600_000);
  expect(one.found).toEqual([]);
  expect(one.asked.length).toBeGreaterThan(10);
  expect(one.asked.length).toBeLessThan(60);
  one.state.isShared = async () => false;
  await one.pass(600_000);
  expect(one.found[0]?.evidence.subjects.toSorted()).toEqual(PAIR);
});

test('a group that can be woken from outside is not brought into memory to see whether it waits', async () => {
  const one = pair();
  one.state.isShared = async () => true;
  await one.look('parent', 'child');
  expect([one.asked.length, one.state.held]).toEqual([2, 0]);
});

test('a group of which one has gone on is not asked about again', async () => {
  const one = pair();
  one.state.isShared = async () => true;
  await one.look('parent', 'child');
  const asked = one.asked.length;
  for (const name of PAIR) one.deadlocks.goes(name);
  one.state.isShared = async () => false;
  await one.pass(3_600_000);
  expect([one.asked.length, one.found]).toEqual([asked, []]);
});

/** A parent and a child as above, and a scribe that may write to the child, and waits for the parent to write to it. */
const crew = () => group({ parent: { children: ['child'] }, child: { writers: ['parent', 'scribe'] }, scribe: { writers: ['parent'] } });

test('one that a run elsewhere can write to can write to the others, so they are not stuck', async () => {
  const one = crew();
  one.state.isShared = async (mailbox) => mailbox === 'grant_scribe';
  await one.look('scribe', 'child', 'parent');
  expect(one.found).toEqual([]);
  one.state.isShared = async () => false;
  await one.pass(10_000);
  expect(one.found.length).toBeGreaterThan(0);
});

test('one that has been woken meanwhile can write to the others, so they are not stuck', async () => {
  const one = crew();
  one.state.isShared = async () => {
    one.run('scribe').isAtWork = true;
    return false;
  };
  await one.look('scribe', 'child', 'parent');
  expect(one.found).toEqual([]);
});

test('a group is found also when the last run that could write to one of it has ended', async () => {
  const one = crew();
  one.run('scribe').isAtWork = true;
  await one.look('child', 'parent');
  expect(one.found).toEqual([]);
  one.writers.set(id('child'), [id('parent')]);
  one.deadlocks.ended(id('scribe'));
  await one.pass(10_000);
  expect(one.found[0]?.evidence.subjects.toSorted()).toEqual(PAIR);
});

test('a group is found also where one of it was parked by the host before, which nobody has looked at since', async () => {
  const one = pair();
  one.park('child');
  await one.look('parent');
  expect([one.found, one.state.held]).toEqual([[], 0]);
  await one.pass(10_000);
  expect(one.found[0]?.evidence.subjects.toSorted()).toEqual(PAIR);
});

test('a group is found also where its other members were parked when the last run that could write to one of it ended', async () => {
  const one = crew();
  one.run('scribe').isAtWork = true;
  await one.look('child', 'parent');
  for (const name of ['child', 'parent']) one.park(name);
  one.writers.set(id('child'), [id('parent')]);
  one.deadlocks.ended(id('scribe'));
  await one.pass(10_000);
  expect(one.found[0]?.evidence.subjects.toSorted()).toEqual(PAIR);
});
