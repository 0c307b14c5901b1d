import { expect, test } from 'vitest';
import { WeighedMap } from './weighed-map.ts';

test('values are weighed once, and only those that are there when the sum is asked for', () => {
  const weighed: string[] = [];
  const map = new WeighedMap<number, string>((value) => {
    weighed.push(value);
    return value.length;
  });
  map.set(1, 'a').set(2, 'bb').set(3, 'ccc');
  map.delete(2);
  expect([map.bytes, map.bytes]).toEqual([4, 4]);
  expect(weighed).toEqual(['a', 'ccc']);
  map.set(1, 'dddd').set(4, 'ee');
  expect(map.bytes).toBe(9);
  map.delete(1);
  map.delete(5);
  expect(map.bytes).toBe(5);
  map.clear();
  expect(map.bytes).toBe(0);
});
