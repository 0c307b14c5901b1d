import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { Arrivals, Line } from './turns.ts';

describe('a line', () => {
  test('gives out what came first, and what was put in front before that', () => {
    const line = new Line<number>();
    for (let i = 0; i < 500; i++) line.push(i);
    for (let i = 0; i < 300; i++) expect(line.shift()).toBe(i);
    line.unshift(-1);
    expect([line.length, line.first]).toEqual([201, -1]);
    expect(line.splice()).toEqual([-1, ...Array.from({ length: 200 }, (_, i) => 300 + i)]);
    expect([line.length, line.shift()]).toEqual([0, undefined]);
    line.unshift(7);
    expect(line.shift()).toBe(7);
  });

  // A run that had ended stayed in the heap with all that it held, for as long as the line was short.
  test('keeps nothing of what was taken out of it', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    setFlagsFromString('--no-expose-gc');
    const line = new Line<object>();
    const taken = Array.from({ length: 3 }, () => {
      const item = {};
      line.push(item);
      return new WeakRef(item);
    });
    line.push({});
    for (const one of taken) expect(line.shift()).toBe(one.deref());
    // A reference that was followed is strong until the end of the turn.
    await new Promise(setImmediate);
    collect();
    expect([taken.map((one) => one.deref()), line.length]).toEqual([[undefined, undefined, undefined], 1]);
  });
});

describe('arrivals', () => {
  test('let what has begun go first, and now and then what has not', () => {
    const arrivals = new Arrivals<string>();
    for (let i = 0; i < 10; i++) {
      arrivals.fresh.push('new');
      arrivals.returning.push('old');
    }
    const came = Array.from({ length: 20 }, () => arrivals.next(true));
    expect(came.slice(0, 5)).toEqual(['old', 'old', 'old', 'old', 'new']);
    expect(came.filter((one) => one === 'old')).toHaveLength(10);
    expect(came).not.toContain(undefined);
  });

  test('wait while what goes first cannot be brought back yet', () => {
    const arrivals = new Arrivals<string>();
    arrivals.returning.push('old');
    arrivals.fresh.push('new');
    expect(arrivals.next(false)).toBeUndefined();
    expect(arrivals.next(true)).toBe('old');
    expect(arrivals.next(false)).toBe('new');
  });

  test('let those behind go first that may begin where there is room, and keep the order of the others', () => {
    const arrivals = new Arrivals<string>();
    for (const one of ['long 1', 'long 2', 'short', 'long 3']) arrivals.fresh.push(one);
    const isShort = (one: string) => one === 'short';
    expect([arrivals.next(true, isShort), arrivals.next(true, isShort), arrivals.length]).toEqual(['short', undefined, 3]);
    expect([1, 2, 3].map(() => arrivals.next(true))).toEqual(['long 1', 'long 2', 'long 3']);
  });
});
