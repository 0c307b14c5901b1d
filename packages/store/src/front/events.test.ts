import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { EventRow } from '@corral/protocol/ports/events';
import { Events } from './events.ts';
import { FrontDatabase } from './database.ts';

function events(): Events {
  const folder = mkdtempSync(join(tmpdir(), 'crl-'));
  const db = new FrontDatabase(folder);
  onTestFinished(() => {
    db.close();
    rmSync(folder, { recursive: true });
  });
  return new Events(db);
}

const row = (n: number, more: Partial<EventRow> = {}): EventRow => ({
  n,
  era: 1,
  at: n,
  kind: 'run.emitted',
  tenant: 'a',
  run: 'run_1',
  agent: 'x',
  data: 'null',
  place: undefined,
  ...more,
});
const numbers = (rows: readonly EventRow[]) => rows.map(({ n }) => n);

test('a page has the events of its tenant in order, and what concerns everybody', () => {
  const table = events();
  table.begin(1, true, 0);
  table.add([row(1), row(2, { tenant: 'b' }), row(3, { tenant: null }), row(4, { kind: 'reset', tenant: null }), row(5)]);
  expect(numbers(table.page(1, 'a', 10))).toEqual([1, 4, 5]);
  expect(numbers(table.page(2, undefined, 3))).toEqual([2, 3, 4]);
  expect(table.page(3, undefined, 1)[0]).toEqual(row(3, { tenant: null }));
  const place = { entry: 3, part: 1 };
  table.add([row(6, { data: undefined, place })]);
  expect(table.page(6, 'a', 1)[0]).toMatchObject({ data: undefined, place });
});

test('a tenant with too many events loses its oldest, and no other tenant loses any', () => {
  const table = events();
  table.begin(1, true, 0);
  for (let n = 1; n <= 3000; n += 2) table.add([row(n, { data: '"much"' }), row(n + 1, { tenant: n < 100 ? 'b' : 'a' })]);
  while (table.forget(0, { tenant: 20_000, all: 1e9 }));
  expect(table.forgotten('b')).toBe(0);
  expect(table.page(1, 'b', 100)).toHaveLength(50);
  const gone = table.forgotten('a');
  expect(gone).toBeGreaterThan(2000);
  expect(table.page(1, 'a', 1)[0]?.n).toBe(gone + 1);
  expect(table.forgotten(undefined)).toBe(gone);
  // All together have too much: the one with the most gives way.
  while (table.forget(0, { tenant: 20_000, all: 15_000 }));
  expect(table.forgotten('b')).toBe(0);
  expect(table.forgotten('a')).toBeGreaterThan(gone);
  while (table.forget(51, { tenant: 1e9, all: 1e9 }));
  expect(table.forgotten('b')).toBe(50);
});

test('an id of an earlier start is understood, and one of a start that nobody knows is not', () => {
  const table = events();
  expect(table.begin(4, false, 0)).toBe(0);
  table.add([row(1, { era: 4 }), row(2, { era: 4 })]);
  expect(table.begin(7, true, 0)).toBe(2);
  table.add([row(3, { era: 7 })]);
  expect(table.numberOf(4, 2)).toBe(2);
  // A follower may have been sent an event that was never written.
  expect(table.numberOf(4, 9)).toBe(2);
  expect(table.numberOf(7, 3)).toBe(3);
  expect(table.numberOf(7, 1)).toBeUndefined();
  expect(table.numberOf(5, 1)).toBeUndefined();
});

test('after a start that did not end in order, all are told that some events may be missing', () => {
  const table = events();
  table.begin(1, false, 0);
  table.add([row(1)]);
  expect(table.begin(2, false, 5)).toBe(2);
  expect(table.page(1, 'a', 10).map(({ n, kind }) => [n, kind])).toEqual([
    [1, 'run.emitted'],
    [2, 'reset'],
  ]);
});
