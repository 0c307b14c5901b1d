/** The orders in which a run that waits for a message can lose the last run that could write to it. */
import { expect, test } from 'vitest';
import type { GrantId, RunId } from '@corral/protocol/ids';
import type { Run } from './run.ts';
import { Alarms } from './alarms.ts';
import { lookAfter_ms } from './idle.ts';
import { mailboxesOf, Stalled } from './stalled.ts';

const ID = 'run_owner' as RunId;
const moment = () => new Promise((resolve) => setImmediate(resolve));

/** A run in memory that waits for a message, and what the host and the store say of its mailbox. */
function waiting() {
  let now = 0;
  const timers = new Set<{ readonly due: number; readonly ring: () => void }>();
  const state = {
    inMemory: false,
    inStore: async (): Promise<boolean> => false,
    /** Called when the inbox is read: something may be in it. */
    arrives: (): void => undefined,
    isRead: true,
    keeps: 0,
    asked: [] as number[],
    hinted: [] as RunId[],
  };
  const run = {
    id: ID,
    outcome: undefined as unknown,
    control: 'none',
    hasWork: false,
    isAtWork: false,
    parking: undefined as Promise<void> | undefined,
    lastAt: 0,
    alarms: new Alarms(),
    keep: () => {
      state.keeps += 1;
      return () => void (state.keeps -= 1);
    },
    ledger: { held: undefined, pending: new Map(), listening: true, caps: new Map([[0, 'grant_own' as GrantId]]), record: { id: ID } },
  };
  const runs = new Map<RunId, Run>([[ID, run as unknown as Run]]);
  const stalled = new Stalled(
    {
      clock: {
        after: (ms, ring) => {
          const timer = { due: now + ms, ring };
          timers.add(timer);
          return () => void timers.delete(timer);
        },
      },
      grants: { isShared: () => state.inMemory },
      store: {
        isShared: () => {
          state.asked.push(now);
          return state.inStore();
        },
      },
      broker: { settled: async () => undefined },
      runs,
      residency: {
        refresh: async () => {
          state.arrives();
          return state.isRead;
        },
        hint: (id) => void state.hinted.push(id),
      },
      membership: { isFleet: false },
    },
    (_, outcome) => {
      run.outcome = outcome;
    },
  );
  return {
    run,
    runs,
    state,
    stalled,
    look: () => stalled.look(run as unknown as Run),
    async pass(ms: number) {
      for (const end = now + ms; now < end;) {
        now += 500;
        for (const timer of timers) if (timer.due <= now && timers.delete(timer)) timer.ring();
        await moment();
      }
    },
  };
}

test('a run that nobody can write to is found at the first look', async () => {
  const one = waiting();
  await one.look();
  expect(one.run.outcome).toMatchObject({ code: 'CORRAL_STALLED' });
  expect(one.state.keeps).toBe(0);
});

test.each<[string, (one: ReturnType<typeof waiting>) => () => void]>([
  [
    'the end of the last writer is not durable yet when the store is asked',
    ({ state }) => {
      state.inStore = async () => true;
      return () => (state.inStore = async () => false);
    },
  ],
  [
    'the store does not answer',
    ({ state }) => {
      state.inStore = () => Promise.reject(new Error('busy'));
      return () => (state.inStore = async () => false);
    },
  ],
  [
    'its inbox cannot be read',
    ({ state }) => {
      state.isRead = false;
      return () => (state.isRead = true);
    },
  ],
])('is found at a later look where %s, without an event in between', async (_, doubtful) => {
  const one = waiting();
  const over = doubtful(one);
  await one.look();
  await one.pass(5_000);
  expect(one.run.outcome).toBeUndefined();
  over();
  await one.pass(10_000);
  expect(one.run.outcome).toMatchObject({ code: 'CORRAL_STALLED' });
});

test('is found where memory still has a grant that the store has not', async () => {
  const one = waiting();
  one.state.inMemory = true;
  await one.look();
  expect([one.run.outcome, one.state.asked]).toEqual([undefined, []]);
  await one.pass(2_000);
  expect(one.run.outcome).toMatchObject({ code: 'CORRAL_STALLED' });
});

test('is looked at ever less often where somebody can write to it, and no more once it goes on', async () => {
  const one = waiting();
  one.state.inStore = async () => true;
  await one.look();
  await one.pass(3_600_000);
  expect(one.state.asked.length).toBeGreaterThan(10);
  expect(one.state.asked.length).toBeLessThan(25);
  one.run.hasWork = true;
  await one.pass(1_200_000);
  const asked = one.state.asked.length;
  await one.pass(1_200_000);
  expect(one.state.asked.length).toBe(asked);
});

test('is not looked at again once its host stops', async () => {
  const one = waiting();
  one.state.inStore = async () => true;
  const looking = one.look();
  one.stalled.close();
  await looking;
  await one.pass(10_000);
  expect(one.state.asked).toEqual([0]);
});

test('is not ended where its last writer has written to it, and this host has not heard of that yet', async () => {
  const one = waiting();
  one.state.arrives = () => (one.run.hasWork = true);
  await one.look();
  expect(one.run.outcome).toBeUndefined();
});

test('is not ended where it was parked while it was looked at: it is looked at once it is back', async () => {
  const one = waiting();
  one.run.parking = Promise.resolve().then(() => void one.runs.delete(ID));
  await one.look();
  await one.pass(5_000);
  expect(one.run.outcome).toBeUndefined();
  // Its last writer ends: here it is not in memory, so the hint brings it back, or reaches the node that has it.
  one.stalled.left(ID);
  expect(one.state.hinted).toEqual([ID]);
});

test('is brought back after as long again as it has waited, and not at all where something else will wake it', () => {
  const { run } = waiting();
  const after = (now: number) => lookAfter_ms(run as unknown as Run, now);
  expect([after(1_000), after(3_600_000)]).toEqual([600_000, 3_600_000]);
  run.ledger.pending.set(1, {});
  expect(after(1_000)).toBeUndefined();
});

test('a run that ends leaves the mailboxes of which it held a grant, had one on its way, or had one in a crank that was dropped', () => {
  const grants = new Map(['held', 'queued', 'dropped', 'own', 'parent'].map((name) => [`grant_${name}`, `run_${name}` as RunId]));
  const run = {
    queue: { unreceived: ['grant_queued'] },
    ledger: {
      caps: new Map([...['own', 'held', 'parent', 'tool'].entries()].map(([i, name]) => [i, `grant_${name}`])),
      record: { id: 'run_own', parent: { run: 'run_parent' } },
    },
  };
  const crank = { delivery: { kind: 'message', caps: [{ grant: 'grant_dropped' }] } };
  const get = (id: GrantId) => {
    const owner = grants.get(id);
    return (owner === undefined ? { target: { kind: 'tool', tool: 'x' } } : { target: { kind: 'mailbox', run: owner } }) as never;
  };
  expect([...mailboxesOf({ get }, run as unknown as Run, crank as never, undefined)].toSorted()).toEqual([
    'run_dropped',
    'run_held',
    'run_queued',
  ]);
});
