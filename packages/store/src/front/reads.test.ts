/** Searches and counts agree with what the rows say, whatever was written, in every order and on every page. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import type { RunRow } from '@corral/protocol/ports/front';
import { RUN_ORDERS, type RunOrder } from '@corral/protocol/model/run-lists';
import type { RunPageWanted } from '@corral/protocol/ports/front-reads';
import { FrontDatabase } from './database.ts';
import { Deliveries } from './deliveries.ts';
import { Operations } from './operations.ts';
import { FrontReader } from './reader.ts';
import { Reads } from './reads.ts';
import { Runs } from './runs.ts';

const HOUR_MS = 3_600_000;
const outcomes = [
  { kind: 'completed', output: 1 },
  { kind: 'exceeded', limit: 'cpu' },
  { kind: 'killed', by: 'ana', reason: 'x' },
] as const;

function front() {
  const folder = mkdtempSync(join(tmpdir(), 'crl-'));
  const db = new FrontDatabase(folder);
  onTestFinished(() => {
    db.close();
    rmSync(folder, { recursive: true });
  });
  return { folder, db, runs: new Runs(db), reads: new Reads(db) };
}

const text = (...of: string[]) => fc.constantFrom(...of);
const amounts = fc.record({ cpu_ms: fc.nat(3), calls: fc.nat(3), tokens: fc.nat(3), money_micros: fc.nat(3) });
/** A run, and what befalls it after its admission. */
const life = fc.record({
  tenant: text('a', 'b'),
  agent: text('x', 'y', 'z_'),
  principal: text('ana', 'bob'),
  at: fc.nat(5 * HOUR_MS),
  began: fc.boolean(),
  control: text('none', 'none', 'paused', 'quarantined'),
  by: fc.option(text('loops', 'ana'), { nil: null }),
  used: fc.option(amounts, { nil: undefined }),
  end: fc.option(
    fc.record({ outcome: fc.constantFrom(...outcomes), at: fc.nat(9 * HOUR_MS), used: fc.option(amounts, { nil: undefined }) }),
    {
      nil: undefined,
    },
  ),
});
const search = fc.record(
  {
    tenant: text('a', 'b'),
    agent: fc.subarray(['x', 'y', 'z_', '%'], { minLength: 1 }),
    principal: fc.subarray(['ana', 'bob'], { minLength: 1 }),
    lifecycle: fc.subarray(['queued', 'active', 'ended'] as const, { minLength: 1 }),
    ended: fc.boolean(),
    ended_as: fc.subarray(['completed', 'exceeded', 'killed', '_'], { minLength: 1 }),
    control: fc.subarray(['none', 'paused', 'quarantined'], { minLength: 1 }),
    stopped_by: fc.subarray(['loops', 'ana'], { minLength: 1 }),
    q: text('z_', 'an', 'RUN_1', '%', 'cpu'),
    admitted_by: fc.nat(5 * HOUR_MS),
    until: fc.nat(5 * HOUR_MS),
    since: fc.nat(9 * HOUR_MS),
    created_from: fc.nat(5 * HOUR_MS),
    ended_from: fc.nat(9 * HOUR_MS),
    ended_until: fc.nat(9 * HOUR_MS),
    sort: fc.constantFrom(...RUN_ORDERS),
    ascending: fc.boolean(),
  },
  { requiredKeys: [] },
);

const VALUES: Readonly<Record<RunOrder, (row: RunRow) => number>> = {
  created: ({ n }) => n,
  ended: ({ ended_at }) => ended_at ?? 0,
  cpu: ({ cpu_ms }) => cpu_ms,
  calls: ({ calls }) => calls,
  tokens: ({ tokens }) => tokens,
  money: ({ money_micros }) => money_micros,
};

/** The meaning of a search, over rows in memory. */
function expected(rows: readonly RunRow[], by: Omit<RunPageWanted, 'limit'>): string[] {
  const has = (values: readonly string[] | undefined, value: string) => values === undefined || values.includes(value);
  const lifeOf = (row: RunRow) => (row.ended_as !== null ? 'ended' : row.began === 0 ? 'queued' : 'active');
  const found = rows.filter(
    (row) =>
      has(by.tenant === undefined ? undefined : [by.tenant], row.tenant) &&
      has(by.agent, row.agent) &&
      has(by.principal, row.principal) &&
      has(by.lifecycle, lifeOf(row)) &&
      (by.ended === undefined || (row.ended_as !== null) === by.ended) &&
      (by.ended_as === undefined || by.ended_as.some((start) => row.ended_as?.startsWith(start) === true)) &&
      has(by.control, row.control) &&
      (by.stopped_by === undefined || (row.ended_as === null && by.stopped_by.includes(row.stopped_by ?? ''))) &&
      (by.q === undefined ||
        [row.id, row.agent, row.principal, row.ended_as ?? ''].some((one) => one.toLowerCase().includes((by.q as string).toLowerCase()))) &&
      (by.admitted_by === undefined || row.created_at <= by.admitted_by) &&
      (by.until === undefined || row.created_at < by.until) &&
      (by.created_from === undefined || row.created_at >= by.created_from) &&
      (by.since === undefined || row.ended_at === null || row.ended_at >= by.since) &&
      (by.ended_from === undefined || (row.ended_at !== null && row.ended_at >= by.ended_from)) &&
      (by.ended_until === undefined || (row.ended_at !== null && row.ended_at < by.ended_until)),
  );
  const value = VALUES[by.sort ?? 'created'];
  const sign = by.ascending === true ? 1 : -1;
  return found.sort((a, b) => sign * (value(a) - value(b) || a.n - b.n)).map(({ id }) => id);
}

const countedBy = <T>(items: readonly T[], key: (item: T) => string): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const item of items) counts[key(item)] = (counts[key(item)] ?? 0) + 1;
  return counts;
};

test('every search finds what the rows say, in its order and on pages without a gap, and counts agree with the rows', () => {
  fc.assert(
    fc.property(
      fc.array(life, { maxLength: 14 }),
      fc.array(search, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 5 }),
      (lives, searches, limit) => {
        const folder = mkdtempSync(join(tmpdir(), 'crl-'));
        const db = new FrontDatabase(folder);
        try {
          const runs = new Runs(db);
          const reads = new Reads(db);
          for (const [i, one] of lives.entries()) {
            const id = `run_${i}`;
            runs.add(
              { id, tenant: one.tenant, agent: one.agent, version: 'v', principal: one.principal, created_at: one.at } as never,
              'c',
            );
            if (one.began) runs.began(id);
            runs.control(id, one.control, one.by);
            expect(runs.get(id)?.stopped_by).toBe(one.control === 'none' ? null : one.by);
            if (one.used !== undefined) runs.used([{ id, ...one.used }]);
            if (one.end !== undefined) runs.end(id, one.end.outcome as never, one.end.at, one.end.used);
          }
          const rows = db.all<RunRow>('SELECT * FROM runs');
          for (const by of searches) {
            const all: string[] = [];
            let cursor: string | undefined;
            do {
              const page = reads.runs({ ...by, limit, cursor, total: true });
              all.push(...page.rows.map(({ id }) => id));
              cursor = page.next ?? undefined;
              expect(page.total).toBe(expected(rows, by).length);
            } while (cursor !== undefined);
            expect(all).toEqual(expected(rows, by));
          }
          const stateOf = (row: RunRow) =>
            row.ended_as?.split('(')[0] ?? (row.control !== 'none' ? row.control : row.began === 0 ? 'queued' : 'active');
          const states = Object.fromEntries(
            reads.states(undefined).map(({ tenant, agent, state, runs: n }) => [`${tenant} ${agent} ${state}`, n]),
          );
          expect(states).toEqual(countedBy(rows, (row) => `${row.tenant} ${row.agent} ${stateOf(row)}`));
          const spans = reads.spans({ from: 0, until: 10 * HOUR_MS, hours: 2, tenant: 'a' });
          const span = (at: number) => Math.floor(at / HOUR_MS / 2) * 2 * HOUR_MS;
          const ofA = rows.filter(({ tenant }) => tenant === 'a');
          const ended = ofA.filter(({ ended_at }) => ended_at !== null);
          expect(Object.fromEntries(spans.map(({ at, state, runs: n }) => [`${at} ${state}`, n]))).toEqual({
            ...countedBy(ofA, ({ created_at }) => `${span(created_at)} admitted`),
            ...countedBy(ended, (row) => `${span(row.ended_at as number)} ${stateOf(row)}`),
          });
          const sum = (of: (row: { calls: number }) => number, list: readonly { calls: number }[]) =>
            list.reduce((all, one) => all + of(one), 0);
          expect(sum(({ calls }) => calls, spans)).toBe(sum(({ calls }) => calls, ended));
        } finally {
          db.close();
          rmSync(folder, { recursive: true });
        }
      },
    ),
    { numRuns: 40 },
  );
});

test('a search without a condition of the table itself reads the short index alone', () => {
  const { db, reads } = front();
  const plans: string[] = [];
  const explaining = {
    get: () => undefined,
    all: <T>(sql: string, ...values: never[]): T[] => {
      plans.push(
        db
          .all<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, ...values)
          .map(({ detail }) => detail)
          .join('; '),
      );
      return [];
    },
  };
  const explained = new Reads(explaining);
  for (const sort of RUN_ORDERS) explained.runs({ sort, control: ['paused'], q: 'x', limit: 10 });
  for (const plan of plans) expect(plan).toContain('USING COVERING INDEX runs_scan');
  expect(plans).toHaveLength(RUN_ORDERS.length);
  const index = (by: object) => {
    explained.runs({ ...by, limit: 10 });
    return /INDEX (runs_\w+)/.exec(plans.at(-1) ?? '')?.[1];
  };
  // Where few rows are looked at, whatever else there is.
  expect(index({ ended: false, agent: ['x'] })).toBe('runs_live');
  expect(index({ lifecycle: ['active'], sort: 'cpu' })).toBe('runs_live');
  expect(index({ tenant: 'a' })).toBe('runs_of_tenant');
  expect(index({ agent: ['x'] })).toBe('runs_of_agent');
  expect(index({ agent: ['x', 'y'] })).toBe('runs_scan');
  expect(reads.runs({ limit: 1 }).rows).toEqual([]);
});

test('what a family used is counted once in an hour, under its first run; calls are counted for each run', () => {
  const { runs, reads } = front();
  const add = (id: string, parent?: string) => {
    runs.add(
      { id, tenant: 'a', agent: 'x', version: 'v', principal: 'p', created_at: 1, ...(parent && { parent: { run: parent } }) } as never,
      'c',
    );
    runs.end(id, outcomes[0], 2, { cpu_ms: 10, calls: 1, tokens: 5, money_micros: 7 });
  };
  add('run_1');
  add('run_2', 'run_1');
  const ended = reads.spans({ from: 0, until: HOUR_MS, hours: 1 }).find(({ state }) => state === 'completed');
  expect(ended).toEqual({ at: 0, state: 'completed', runs: 2, cpu_ms: 10, calls: 2, tokens: 5, money_micros: 7 });
});

test('a family is some runs and all below them, each once, as long as they have not ended', () => {
  const { runs, reads } = front();
  const add = (id: string, parent?: string) =>
    runs.add(
      { id, tenant: 'a', agent: 'x', version: 'v', principal: 'p', created_at: 1, ...(parent && { parent: { run: parent } }) } as never,
      'c',
    );
  for (const [id, parent] of [['a'], ['b', 'a'], ['c', 'b'], ['d', 'a'], ['other'], ['e', 'other']] as const) add(id, parent);
  runs.end('b', outcomes[0], 2);
  const family = (...of: string[]) => reads.family(of).toSorted();
  expect(family('a')).toEqual(['a', 'c', 'd']);
  expect(family('a', 'd', 'c')).toEqual(['a', 'c', 'd']);
  expect(family('e', 'b')).toEqual(['c', 'e']);
  expect([family(), family('none')]).toEqual([[], []]);
});

test('a cursor of another order is refused', () => {
  const { runs, reads } = front();
  for (const i of [1, 2])
    runs.add({ id: `run_${i}`, tenant: 'a', agent: 'x', version: 'v', principal: 'ana', created_at: i } as never, 'c');
  const { next } = reads.runs({ limit: 1, sort: 'cpu' });
  expect(() => reads.runs({ limit: 1, sort: 'cpu', cursor: next as string }).rows).not.toThrow();
  for (const wanted of [{ sort: 'created' }, { sort: 'tokens' }] as const)
    expect(() => reads.runs({ limit: 1, ...wanted, cursor: next as string })).toThrow(
      expect.objectContaining({ code: 'CORRAL_REQUEST_INVALID' }),
    );
  expect(() => reads.runs({ limit: 1, cursor: 'bm9uZQ' })).toThrow(expect.objectContaining({ code: 'CORRAL_REQUEST_INVALID' }));
});

test('acts are found by name, author, run and time', () => {
  const { db, reads } = front();
  const table = new Operations(db);
  const act = (n: number, operation: string, by: string, matched: string[], tenant?: string) =>
    table.add({ id: `op_${n}`, tenant, at: n, text: JSON.stringify({ operation, by, matched, reason: 'run_9' }) });
  act(1, 'kill', 'ana', ['run_1'], 'a');
  act(2, 'pause', 'bob', ['run_1', 'run_2'], 'a');
  act(3, 'kill', 'bob', ['run_3'], 'b');
  const found = (wanted: object) => reads.acts({ limit: 10, ...wanted }).map(({ n }) => n);
  expect(found({})).toEqual([3, 2, 1]);
  expect(found({ operation: ['kill'] })).toEqual([3, 1]);
  expect(found({ operation: ['kill', 'pause'], by: 'bob' })).toEqual([3, 2]);
  expect(found({ run: 'run_1' })).toEqual([2, 1]);
  // A text that names a run does not make the act one on it.
  expect(found({ run: 'run_9' })).toEqual([]);
  expect(found({ since: 2, until: 3 })).toEqual([2]);
  expect(found({ tenant: 'a', before: 2 })).toEqual([1]);
});

test('notifications that wait, and those that were given up, are counted over all receivers', () => {
  const { db, reads } = front();
  const table = new Deliveries(db);
  expect(reads.notifications()).toEqual({ pending: 0, given_up: 0 });
  for (let i = 1; i <= 5; i++)
    table.enqueue({ id: `m${i}`, hook: i < 3 ? 'a' : 'b', url: 'http://x', tenant: null, kind: 'run.ended', body: '{}', at: i });
  expect(reads.notifications()).toEqual({ pending: 5, given_up: 0 });
  table.expire(3, 9);
  expect(reads.notifications()).toEqual({ pending: 3, given_up: 2 });
});

test('the thread sees what was written before it was asked, and says why it refuses', async () => {
  const { folder, runs } = front();
  const reader = new FrontReader(folder);
  onTestFinished(() => reader.close());
  for (let i = 1; i <= 3; i++) {
    runs.add({ id: `run_${i}`, tenant: 'a', agent: 'x', version: 'v', principal: 'ana', created_at: i } as never, 'c');
    expect((await reader.runs({ limit: 10, total: true })).total).toBe(i);
  }
  await expect(reader.runs({ limit: 10, cursor: 'bm9uZQ' })).rejects.toMatchObject({ code: 'CORRAL_REQUEST_INVALID' });
  await reader.close();
  await expect(reader.states(undefined)).rejects.toMatchObject({ code: 'CORRAL_STOPPING' });
});
