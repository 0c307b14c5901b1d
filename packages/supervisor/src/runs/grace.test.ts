import { describe, expect, test } from 'vitest';
import { Ledger } from '@corral/broker/ledger/ledger';
import type { RunId } from '@corral/protocol/ids';
import type { HostEvent, RunRecord } from '@corral/protocol/model/run';
import { graceLeft_ms } from './grace.ts';

const never = () => 0;

describe('the grace of a cancel', () => {
  test('counts from the request on, and a host that takes the run over gives no new one', () => {
    expect(graceLeft_ms({ at: 1_000, grace_ms: 2_000 }, never, 1_000)).toBe(2_000);
    expect(graceLeft_ms({ at: 1_000, grace_ms: 2_000 }, never, 2_500)).toBe(500);
    expect(graceLeft_ms({ at: 1_000, grace_ms: 2_000 }, never, 9_000)).toBe(0);
  });

  test('stands still while no host is at work', () => {
    expect(graceLeft_ms({ at: 1_000, grace_ms: 2_000 }, () => 7_500, 9_000)).toBe(1_500);
  });

  test('is never longer than it was given, though the clock is put back', () => {
    expect(graceLeft_ms({ at: 1_000, grace_ms: 2_000 }, never, 0)).toBe(2_000);
  });

  test('is the default, and all of it is left, if the journal does not say', () => {
    expect(graceLeft_ms({}, never, 9_000)).toBe(2_000);
  });

  test('starts again in a fork, whose clock did not run before', () => {
    const ledger = new Ledger({ caps: [], budget: {}, header: {} } as unknown as RunRecord);
    const entry = (seq: number, at: number, event: HostEvent) =>
      ledger.apply({ seq, at, delivery: undefined, effects: undefined, decisions: [], event, cpu_us: 0 });
    entry(1, 1_000, { kind: 'cancel', by: 'ana', reason: 'enough', grace_ms: 2_000 });
    entry(2, 9_000, { kind: 'forked', from: 'run_1' as RunId, by: 'bob', away_ms: 8_000 });
    expect(graceLeft_ms(ledger.cancelled ?? {}, never, 9_500)).toBe(1_500);
  });
});
