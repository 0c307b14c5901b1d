import { expect, test } from 'vitest';
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';
import { STALE_MS } from '../memory.ts';
import { Gates } from './gates.ts';
import { enterBoth, Room } from './room.ts';

const [a, b] = ['a', 'b'] as TenantId[] as [TenantId, TenantId];
const later: (() => void)[] = [];
let now = 0;
const clock: Clock = { now: () => now, monotonic: () => now, after: (_, then) => (later.push(then), () => undefined) };

function calls(most = { tenant: 20, all: 30 }, concurrent = 100) {
  const lacking = new Set<string>();
  const room = new Room({ clock, most: () => most, lacks: (run) => (lacking.has(run) ? 'it holds too much' : undefined) });
  const gates = new Gates(clock, () => ({ host: { concurrent } }));
  const went: string[] = [];
  const leave = new Map<string, () => void>();
  const enter = (name: string, tenant: TenantId, bytes = 10, run = `run_${tenant}`) =>
    enterBoth(gates, room, { tenant, run: run as RunId, tool: 't', bytes }, (out) => {
      went.push(name);
      leave.set(name, out);
    });
  /** @param ms time until the timers are run; by default longer than any */
  const leaves = (name: string, ms = 1_000) => {
    leave.get(name)?.();
    now += ms;
    later.splice(0).forEach((then) => then());
  };
  return { went, enter, lacking, leave: leaves };
}

test('a call waits while its tenant has no room for its result, and goes once another has ended', () => {
  const { went, enter, leave } = calls();
  for (const name of ['a1', 'a2', 'a3', 'a4']) enter(name, a);
  expect(went).toEqual(['a1', 'a2']);
  leave('a1');
  leave('a1');
  expect(went).toEqual(['a1', 'a2', 'a3']);
});

test('the room of each call is given back for itself, once its result is counted where it is kept', () => {
  const { went, enter, leave } = calls();
  for (const name of ['a1', 'a2', 'a3', 'a4']) enter(name, a);
  leave('a1', STALE_MS - 1);
  expect(went).toEqual(['a1', 'a2']);
  leave('a2', 1);
  expect(went).toEqual(['a1', 'a2', 'a3']);
  leave('', STALE_MS - 1);
  expect(went).toEqual(['a1', 'a2', 'a3', 'a4']);
});

test('tenants take turns where all together have too much, and each has room for one call, however large', () => {
  const { went, enter, leave } = calls();
  for (const name of ['a1', 'a2', 'a3', 'a4']) enter(name, a);
  enter('b1', b, 100);
  enter('b2', b);
  expect(went).toEqual(['a1', 'a2', 'b1']);
  leave('b1');
  expect(went).toEqual(['a1', 'a2', 'b1', 'b2']);
  leave('a1');
  leave('a2');
  expect(went).toEqual(['a1', 'a2', 'b1', 'b2', 'a3', 'a4']);
});

test('a call that stops waiting for room gives its turn at the tool to another', () => {
  const { went, enter, leave } = calls({ tenant: 10, all: 100 }, 2);
  enter('a1', a);
  const stop = enter('a2', a);
  enter('b1', b);
  expect(went).toEqual(['a1']);
  stop?.();
  expect(went).toEqual(['a1', 'b1']);
  leave('a1');
  expect(went).toEqual(['a1', 'b1']);
});

test('calls of a run that holds too much wait, those of another run of its tenant do not, and they go once it holds less', () => {
  const { went, enter, lacking } = calls({ tenant: 100, all: 100 });
  lacking.add('run_1');
  for (const name of ['a1', 'a2']) enter(name, a, 10, 'run_1');
  enter('a3', a, 10, 'run_2');
  later.splice(0).forEach((look) => look());
  expect(went).toEqual(['a3']);
  lacking.clear();
  later.splice(0).forEach((look) => look());
  expect(went).toEqual(['a3', 'a1', 'a2']);
});

test('runs of a tenant take turns: one with many calls that wait delays a call of another by one of them', () => {
  const { went, enter, leave } = calls({ tenant: 10, all: 100 });
  for (const name of ['a1', 'a2', 'a3']) enter(name, a, 10, 'run_1');
  enter('a4', a, 10, 'run_2');
  enter('a5', a, 10, 'run_2')?.();
  leave('a1');
  leave('a2');
  leave('a4');
  expect(went).toEqual(['a1', 'a2', 'a4', 'a3']);
});
