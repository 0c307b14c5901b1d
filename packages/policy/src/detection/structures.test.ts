import { describe, expect, test } from 'vitest';
import * as fc from 'fast-check';
import { admit, BREAKER_SETTINGS, CLOSED, settle, type Breaker } from './breaker.ts';
import { Causes } from './causes.ts';
import { Cycle } from './cycle.ts';
import { Interference } from './interference.ts';
import { Known, pack, unpack } from './memory.ts';
import { Reader } from './reading.ts';
import { Spawns } from './spawns.ts';
import { Waits } from './waits.ts';

const times = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));

describe('periods', () => {
  test('of every length up to 50 are found within two turns', () => {
    for (let period = 1; period <= 50; period++) {
      const cycle = new Cycle();
      for (let i = 0; i < 10; i++) cycle.take(1000 + i);
      for (let i = 0; i < period * 2; i++) cycle.take(i % period);
      expect(cycle.period?.period, `period ${period}`).toBe(period);
      expect(cycle.period?.matched).toBe(period);
    }
  });

  test('are not seen where every symbol is new', () => {
    const cycle = new Cycle();
    for (let i = 0; i < 500; i++) cycle.take(i);
    expect(cycle.period).toBeUndefined();
  });

  test('are kept when a stranger comes in between', () => {
    const cycle = new Cycle();
    for (let i = 0; i < 40; i++) {
      cycle.take(i % 8);
      if (i % 11 === 0) cycle.take(10_000 + i);
    }
    expect(cycle.period?.matched).toBeGreaterThan(16);
  });
});

describe('digests of values', () => {
  const digest = (value: unknown) => new Reader().read(value, 'asked').digest;

  test('are the same whatever the order of keys, and differ where a value differs', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ maxLength: 8 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 6 }), (value) => {
        const turned = Object.fromEntries(Object.entries(value).reverse());
        expect(digest(turned)).toBe(digest(value));
      }),
    );
    expect(digest({ a: 1 })).not.toBe(digest({ a: 2 }));
    expect(digest({ a: 'x' })).not.toBe(digest({ b: 'x' }));
    expect(digest(['a', 'b'])).not.toBe(digest(['b', 'a']));
    expect(digest('-5')).not.toBe(digest('5'));
  });

  test('keep dates and amounts that were asked for', () => {
    expect(digest({ day: '2026-05-15' })).not.toBe(digest({ day: '2026-05-16' }));
    expect(digest({ start: '2026-05-15T10:00:00Z' })).not.toBe(digest({ start: '2026-05-15T11:00:00Z' }));
  });

  test('cost no more for a large value', () => {
    const reader = new Reader();
    reader.read({ deep: times(10_000, (i) => ({ i, text: 'x'.repeat(10_000) })) }, 'result');
    expect(reader.count).toBeLessThanOrEqual(192);
  });
});

test('what is packed unpacks to itself', () => {
  fc.assert(
    fc.property(fc.int32Array({ maxLength: 64 }), (values) => {
      const into = new Int32Array(values.length);
      unpack(pack(values), into);
      expect(into).toEqual(values);
    }),
  );
});

test('what is known does not fill up: new words stay new after thousands', () => {
  const known = new Known();
  const reader = new Reader();
  let least = 1;
  for (let i = 0; i < 2000; i++) least = Math.min(least, known.take(reader.read(times(20, (j) => `w${i * 20 + j}`).join(' '), 'result')));
  expect(least).toBeGreaterThan(0.5);
});

describe('who waits for whom', () => {
  test('a ring of any size is a deadlock when its last link closes, and is named', () => {
    for (let size = 1; size <= 10; size++) {
      const waits = new Waits();
      waits.waits('bystander', ['worker']);
      for (let i = 0; i < size - 1; i++) expect(waits.waits(`p${i}`, [`p${i + 1}`])).toEqual([]);
      const [found] = waits.waits(`p${size - 1}`, ['p0']);
      expect(found?.evidence.subjects.toSorted()).toEqual(times(size, (i) => `p${i}`).toSorted());
    }
  });

  test('one who waits for any of several is not stuck while one of them can go on', () => {
    const waits = new Waits();
    waits.waits('a', ['b', 'c'], 'any');
    expect(waits.waits('b', ['a'])).toEqual([]);
    expect(waits.waits('c', ['a'])).toHaveLength(1);
  });

  test('a wait that ended is forgotten', () => {
    const waits = new Waits();
    waits.waits('a', ['b']);
    waits.goes('a');
    expect(waits.waits('b', ['a'])).toEqual([]);
  });
});

describe('trees of runs', () => {
  test('a tree that doubles is found; a crew of children one after another is not', () => {
    const spawns = new Spawns();
    expect(times(200, (i) => spawns.spawned(`r${i + 1}`, `r${i >> 1}`, i * 10)).flat().length).toBeGreaterThan(0);
    const crew = new Spawns();
    expect(
      times(28, (i) => {
        if (i > 2) crew.ended(`c${i - 3}`);
        return crew.spawned(`c${i}`, 'boss', i * 1000);
      }).flat(),
    ).toEqual([]);
  });

  test('nothing is remembered of a tree that ended', () => {
    const spawns = new Spawns();
    for (let i = 0; i < 50; i++) spawns.spawned(`r${i + 1}`, `r${i >> 1}`, i);
    for (let i = 0; i <= 50; i++) spawns.ended(`r${i}`);
    expect(spawns.size).toBe(0);
  });
});

describe('messages and what caused them', () => {
  test('a conversation that goes round names those in it', () => {
    for (const agents of [2, 3, 10]) {
      const causes = new Causes();
      const found = times(agents * 15, (i) =>
        causes.sent(`m${i}`, `a${i % agents}`, `a${(i + 1) % agents}`, i === 0 ? undefined : `m${i - 1}`),
      ).flat();
      expect(found.at(-1)?.detector).toBe('ping_pong');
      expect(found.at(-1)?.evidence.figures['period']).toBe(agents);
      expect(found.at(-1)?.evidence.subjects.toSorted()).toEqual(times(agents, (i) => `a${i}`).toSorted());
    }
  });

  test('a conversation in which things get done is none', () => {
    const causes = new Causes();
    expect(
      times(60, (i) =>
        causes.sent(`m${i}`, i % 2 === 0 ? 'a' : 'b', i % 2 === 0 ? 'b' : 'a', i === 0 ? undefined : `m${i - 1}`, i % 2 === 0),
      ).flat(),
    ).toEqual([]);
  });

  test('it remembers only the latest messages', () => {
    const causes = new Causes();
    for (let i = 0; i < 10_000; i++) causes.sent(`m${i}`, 'a', 'b');
    expect(causes.size).toBeLessThan(5000);
  });
});

test('two runs that put back what the other changed interfere; two that write different things do not', () => {
  const fighting = new Interference();
  const found = times(8, (i) => fighting.wrote(`run${i % 2}`, 'dns:example', 'set', { target: i % 2 })).flat();
  expect(found.at(-1)?.evidence.subjects.toSorted()).toEqual(['run0', 'run1']);
  const working = new Interference();
  expect(times(40, (i) => working.wrote(`run${i % 2}`, 'log', 'append', { line: i })).flat()).toEqual([]);
});

describe('a circuit breaker', () => {
  const failing = (from: Breaker, n: number, at = 0) => times(n, () => 0).reduce((breaker) => settle(breaker, false, 5, at), from);

  test('opens on errors, rests, tries, and closes when it is well', () => {
    const open = failing(CLOSED, BREAKER_SETTINGS.least);
    expect(open.state).toBe('open');
    expect(admit(open, 1).allowed).toBe(false);
    const first = admit(open, BREAKER_SETTINGS.rest_ms);
    const second = admit(first.breaker, BREAKER_SETTINGS.rest_ms);
    expect([first.allowed, second.allowed, admit(second.breaker, BREAKER_SETTINGS.rest_ms).allowed]).toEqual([true, true, false]);
    const well = settle(settle(second.breaker, true, 5, 6000), true, 5, 6000);
    expect(well).toEqual(CLOSED);
  });

  test('rests longer each time it fails again', () => {
    const open = failing(CLOSED, BREAKER_SETTINGS.least);
    const again = settle(admit(open, open.until).breaker, false, 5, open.until);
    expect(again.until - open.until).toBe(BREAKER_SETTINGS.rest_ms * 2);
  });

  test('opens on slowness, and stays closed while most calls are well', () => {
    const slow = times(BREAKER_SETTINGS.least, () => 0).reduce(
      (breaker: Breaker) => settle(breaker, true, BREAKER_SETTINGS.slow_ms, 0),
      CLOSED,
    );
    expect(slow.state).toBe('open');
    const mixed = times(100, (i) => i).reduce((breaker: Breaker, i) => settle(breaker, i % 3 !== 0, 5, 0), CLOSED);
    expect(mixed.state).toBe('closed');
  });
});
