import { expect, test } from 'vitest';
import type { Clock } from '@corral/protocol/ports/machine';
import { Turns } from './turns.ts';

/** A clock that counts turns of an event loop. */
function loop(isHeld?: (tenant: string) => boolean) {
  const due: (() => void)[] = [];
  const clock: Clock = { now: () => 0, monotonic: () => 0, after: (_, then) => (due.push(then), () => undefined) };
  const turn = () => {
    for (const then of due.splice(0)) then();
  };
  return { turns: new Turns(clock, isHeld), turn, due };
}

test('cranks that are decided at the same time take turns, one slice in a turn of the event loop', () => {
  const { turns, turn } = loop();
  const said: string[] = [];
  const slices = (name: string, left: number): void => {
    said.push(name);
    if (left > 1) turns.after('t', 0, () => slices(name, left - 1));
  };
  for (const name of ['a', 'b', 'c']) turns.after('t', 0, () => slices(name, 2));
  const seen = Array.from({ length: 7 }, () => (turn(), said.length));
  expect(said).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
  // The last slices of cranks leave time for each other.
  expect(seen).toEqual([1, 2, 3, 6, 6, 6, 6]);
});

test('a crank that is dropped gives its turn to the next one', () => {
  const { turns, turn } = loop();
  const said: string[] = [];
  const cancel = turns.after('t', 0, () => void said.push('a'));
  turns.after('t', 0, () => void said.push('b'));
  cancel();
  turn();
  expect(said).toEqual(['b']);
});

test('tenants take turns: one with many cranks delays the crank of another by one slice', () => {
  const { turns, turn } = loop();
  const said: string[] = [];
  for (const name of ['a', 'b', 'c']) turns.after('zoo', 0, () => void said.push(name));
  turns.after('crew', 0, () => void said.push('other'));
  for (let i = 0; i < 4; i++) turn();
  expect(said).toEqual(['a', 'other', 'b', 'c']);
});

test('a tenant whose cranks take long has its next turn after others have had as much', () => {
  const { turns, turn } = loop();
  const said: string[] = [];
  const crank = (tenant: string, ms: number, left: number): void => {
    said.push(tenant);
    if (left > 1) turns.after(tenant, 0, () => crank(tenant, ms, left - 1));
    turns.spent(tenant, ms);
  };
  turns.after('zoo', 0, () => crank('zoo', 40, 3));
  turns.after('crew', 0, () => crank('crew', 10, 9));
  for (let i = 0; i < 12; i++) turn();
  expect(said.join(' ')).toBe('zoo crew crew crew crew zoo crew crew crew crew zoo crew');
});

test('cranks that come after a turn is used up wait for the next one, and those of one tenant share it', () => {
  const { turns, turn } = loop();
  const said: string[] = [];
  expect(turns.mayBegin('crew')).toBe(true);
  turns.spent('zoo', 15);
  expect(turns.mayBegin('crew')).toBe(false);
  for (const name of ['a', 'b', 'c', 'd'])
    turns.after('crew', 0, () => {
      said.push(name);
      turns.spent('crew', 4);
    });
  turn();
  expect(said).toEqual(['a', 'b', 'c']);
  turn();
  expect(said).toEqual(['a', 'b', 'c', 'd']);
});

test('a tenant that is held has no turn, the others have theirs, and nothing is looked at until it is let go', () => {
  const held = new Set(['zoo']);
  const { turns, turn, due } = loop((tenant) => held.has(tenant));
  const said: string[] = [];
  for (const tenant of ['zoo', 'crew', 'zoo']) turns.after(tenant, 0, () => void said.push(tenant));
  expect([turns.mayBegin('zoo'), turns.mayBegin('crew')]).toEqual([false, true]);
  turn();
  expect([said, due.length]).toEqual([['crew'], 0]);
  held.clear();
  turns.resume();
  turn();
  expect(said).toEqual(['crew', 'zoo', 'zoo']);
});
