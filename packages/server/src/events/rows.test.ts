import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CorralError } from '@corral/protocol/errors';
import { EVENTS } from '@corral/protocol/limits';
import type { EventRow } from '@corral/protocol/ports/events';
import { Rows } from './rows.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function rows() {
  const written: EventRow[] = [];
  const failures: unknown[] = [];
  const disk = { full: false };
  const table = {
    add: (batch: readonly EventRow[]) => {
      if (disk.full) throw new CorralError('CORRAL_DISK_FULL', 'full');
      written.push(...batch);
    },
    forget: () => false,
  };
  const writer = new Rows({ table: table as never, now: () => 0, failed: (error) => failures.push(error) });
  let n = 0;
  const add = (tenant: string, data = 'null') => {
    n += 1;
    writer.add({ n, era: 1, at: 0, kind: 'run.logged', tenant, run: 'run_1', agent: 'x', data, place: undefined });
  };
  return { writer, written, failures, disk, add };
}

test('events are written together, a bounded number in a turn of the event loop', () => {
  const { written, add } = rows();
  const many = EVENTS.events_written_at_once.default + 1;
  for (let i = 0; i < many; i++) add('a');
  expect(written).toHaveLength(0);
  vi.advanceTimersByTime(EVENTS.event_write_ms.default);
  expect(written).toHaveLength(many - 1);
  vi.advanceTimersByTime(1);
  expect(written).toHaveLength(many);
});

test('on a full disk events are dropped and counted, and followers are told in their place once there is space', () => {
  const { writer, written, failures, disk, add } = rows();
  disk.full = true;
  for (const tenant of ['a', 'b', 'a']) add(tenant);
  expect(writer.flush()).toBe(false);
  add('a');
  vi.advanceTimersByTime(60_000);
  expect([writer.dropped >= 4, writer.bytes, failures.length]).toEqual([true, 0, 1]);
  disk.full = false;
  add('a');
  expect(writer.flush()).toBe(true);
  expect(written.map(({ n, kind, tenant, data }) => [n, kind, tenant, data])).toEqual([
    [1, 'reset', 'a', '{"lost":3}'],
    [2, 'reset', 'b', '{"lost":1}'],
    [5, 'run.logged', 'a', 'null'],
  ]);
  expect(writer.dropped).toBe(4);
});

test('a tenant whose events come faster than they are written loses its own, and no event of another', () => {
  const { writer, written, add } = rows();
  const text = JSON.stringify('x'.repeat(50_000));
  for (let i = 0; i < 1000; i++) add('a', text);
  add('b');
  expect(writer.bytes).toBeLessThan(EVENTS.events_unwritten_bytes.default);
  expect(writer.dropped).toBeGreaterThan(800);
  writer.flush();
  expect(written.filter(({ tenant }) => tenant === 'b').map(({ kind }) => kind)).toEqual(['run.logged']);
  expect(written.filter(({ kind }) => kind === 'reset')).toMatchObject([{ tenant: 'a', data: JSON.stringify({ lost: writer.dropped }) }]);
});
