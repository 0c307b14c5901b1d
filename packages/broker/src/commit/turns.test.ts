import { expect, test } from 'vitest';
import type { Clock } from '@corral/protocol/ports/machine';
import { Turns } from './turns.ts';

/** A clock that counts turns of an event loop. */
function loop() {
  const due: (() => void)[] = [];
  const clock: Clock = { now: () => 0, monotonic: () => 0, after: (_, then) => (due.push(then), () => undefined) };
  const turn = () => {
    for (const then of due.splice(0)) then();
  };
  return { turns: new Turns(clock), turn };
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
  expect(seen).toEqual([1, 2, 3, 4, 5, 6, 6]);
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
