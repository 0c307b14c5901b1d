import { expect, test } from 'vitest';
import { Rota } from './rota.ts';

test('tenants take turns, however many of one wait', () => {
  const rota = new Rota<string>();
  for (const item of ['a1', 'a2', 'a3']) rota.push('a', item);
  rota.push('b', 'b1');
  rota.push('c', 'c1');
  rota.push('b', 'b2');
  const taken = [];
  for (let next = rota.next(); next !== undefined; next = rota.next()) taken.push(next.item);
  expect(taken).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
});

test('whoever may not go on now is passed over, and keeps their turn', () => {
  const rota = new Rota<string>();
  rota.push('a', 'a1');
  rota.push('b', 'b1');
  rota.push('b', 'b2');
  expect(rota.next((who) => who !== 'a')).toEqual({ who: 'b', item: 'b1' });
  expect(rota.next((who) => who === 'c')).toBeUndefined();
  expect([rota.has((who) => who === 'a'), rota.has((who) => who === 'c')]).toEqual([true, false]);
  expect(rota.next()?.item).toBe('a1');
  expect([rota.waiting('a'), rota.waiting('b'), rota.splice(), rota.waiting('b')]).toEqual([0, 1, ['b2'], 0]);
});
