import { expect, test } from 'vitest';
import type { PolicyInForce } from '@corral/policy/cedar/in-force';
import type { Clock } from '@corral/protocol/ports/machine';
import { LiveShadow } from './shadow.ts';
import type { Decided } from '@corral/broker/policies/port';

const VERDICT = { decision: 'allow', reasons: [], errors: [], policy_version: 'v' } as const;
const candidate = { version: 'v', decide: () => VERDICT } as unknown as PolicyInForce;
const decided = (args: unknown): Decided =>
  ({ run: 'run_1', entry: 1, id: 1, request: { subject: {}, action: { kind: 'call' }, args, context: {} }, verdict: VERDICT }) as never;

test('decisions that wait for a candidate are bounded by their size, and there is room again once they were compared', async () => {
  const soon: (() => void)[] = [];
  const clock: Clock = { now: () => 0, monotonic: () => 0, after: (_, then) => (soon.push(then), () => undefined) };
  const shadow = new LiveShadow({ tenant: 't' as never, inForce: candidate, candidate, clock, tell: () => undefined });
  const mib = decided({ text: 'x'.repeat(1024 * 1024) });
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
