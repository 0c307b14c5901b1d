/** The bound on what the heap keeps for runs. */
import { expect, test } from 'vitest';
import * as fc from 'fast-check';
import type { TenantId } from '@corral/protocol/ids';
import { Memory } from './memory.ts';

const HEAP = 1_000_000;
const MOST_AT_ONCE = 2_000;
const SHARES = { tenant_heap_percent: 25, runs_heap_percent: 50 };

interface Kept {
  readonly tenant: TenantId;
  memory: number;
}

/** A memory with the clock at hand: its sums are as old as `look` says. */
function memoryOf(runs: readonly Kept[]) {
  let now = 0;
  const clock = { monotonic: () => now, now: () => now, after: () => () => undefined };
  const memory = new Memory({ clock, heap_bytes: HEAP, ...SHARES, runs: () => runs });
  return { memory, look: () => (now += 1_000) };
}

const steps = fc.array(
  fc.record({
    tenant: fc.integer({ min: 0, max: 7 }),
    run: fc.nat(400),
    bytes: fc.integer({ min: 1, max: MOST_AT_ONCE }),
    isNew: fc.boolean(),
  }),
  { minLength: 200, maxLength: 1_000 },
);

test('whatever comes in whatever order, neither a tenant nor all come to more than their share of the heap', () => {
  fc.assert(
    fc.property(steps, (taken) => {
      const runs: Kept[] = [];
      const { memory, look } = memoryOf(runs);
      const of = (tenant: TenantId) => runs.filter((one) => one.tenant === tenant);
      const sum = (some: readonly Kept[]) => some.reduce((bytes, one) => bytes + one.memory, 0);
      for (const { tenant: number, run, bytes, isNew } of taken) {
        look();
        const tenant = `t${number}` as TenantId;
        if (isNew && !memory.isFull(tenant)) runs.push({ tenant, memory: 0 });
        const own = of(tenant);
        const one = own[run % Math.max(1, own.length)];
        if (one === undefined) continue;
        // A hog takes all that it gets.
        for (let i = 0; i < 20 && memory.lacks(one) === undefined; i++, look()) one.memory += bytes;
        // The last step was allowed before it was too much.
        expect(sum(of(tenant))).toBeLessThan(memory.atEnd.tenant + MOST_AT_ONCE);
        expect(sum(runs)).toBeLessThan(memory.atEnd.all + MOST_AT_ONCE);
      }
      expect(memory.atEnd.all + memory.forResults.all).toBeCloseTo((HEAP * SHARES.runs_heap_percent) / 100);
    }),
    { endOnFailure: true },
  );
});

test('a run below an even part gets more, whatever the others of its tenant have', () => {
  const hog: Kept = { tenant: 'a' as TenantId, memory: 0 };
  const others = Array.from({ length: 9 }, (): Kept => ({ tenant: 'a' as TenantId, memory: 0 }));
  const { memory, look } = memoryOf([hog, ...others]);
  const step = 100;
  const take = (one: Kept) => {
    for (; memory.lacks(one) === undefined; look()) one.memory += step;
  };
  const inSteps = (bytes: number) => Math.ceil(bytes / step) * step;
  take(hog);
  for (const one of others) take(one);
  expect(hog.memory).toBe(inSteps(memory.most.tenant));
  expect(others.map((one) => one.memory)).toEqual(others.map(() => inSteps(memory.most.tenant / 10)));
});
