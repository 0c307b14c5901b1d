import { expect, test } from 'vitest';
import type { PolicyInForce } from '@corral/policy/cedar/in-force';
import type { Clock } from '@corral/protocol/ports/machine';
import { LiveShadow } from './shadow.ts';
import { sizeOf } from '../runs/sizeof.ts';
import type { Decided } from '@corral/broker/policies/port';

const VERDICT = { decision: 'allow', reasons: [], errors: [], policy_version: 'v' } as const;
const candidate = { version: 'v', decide: () => VERDICT } as unknown as PolicyInForce;
const decided = (args: unknown): Decided =>
  ({ run: 'run_1', entry: 1, id: 1, request: { subject: {}, action: { kind: 'call' }, args, context: {} }, verdict: VERDICT }) as never;

test('decisions that wait for a candidate are bounded by their size, and there is room again once they were compared', async () => {
  const soon: (() => void)[] = [];
  const clock: Clock = { now: () => 0, monotonic: () => 0, after: (_, then) => (soon.push(then), () => undefined) };
  const shadow = new LiveShadow({ tenant: 't' as never, inForce: candidate, candidate, clock, tell: () => undefined });
  const mib = decided({ text: 'x'.repeat(512 * 1024) });
  for (let i = 0; i < 20; i++) shadow.take(mib);
  const settle = async () => {
    const report = shadow.report();
    for (let i = 0; i < 5; i++) {
      for (const then of soon.splice(0)) then();
      await Promise.resolve();
    }
    return report;
  };
  expect(await settle()).toMatchObject({ decisions: 15, dropped: 5 });
  for (let i = 0; i < 15; i++) shadow.take(mib);
  expect(await settle()).toMatchObject({ decisions: 30, dropped: 5 });
});

test('the size of a value grows with everything in it at any depth, and is counted no further than asked', () => {
  expect(sizeOf('ab', 1000)).toBe(20);
  expect(sizeOf({ a: ['b', { c: null }] }, 1000)).toBe(16 * 5 + 2 + 2 + 2);
  const deep = JSON.parse('['.repeat(5000) + ']'.repeat(5000)) as unknown;
  expect(sizeOf(deep, 1e6)).toBe(5000 * 16);
  expect(sizeOf(Array.from({ length: 1e5 }), 1000)).toBeGreaterThan(1000);
});
