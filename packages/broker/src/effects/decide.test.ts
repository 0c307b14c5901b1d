import { describe, expect, test } from 'vitest';
import { Grants } from '@corral/policy/capability/grants';
import type { GrantId, RunId } from '@corral/protocol/ids';
import { DEFAULT_BUDGET, DEFAULT_CEILINGS, MACHINE } from '@corral/protocol/limits';
import type { RunRecord } from '@corral/protocol/model/run';
import { decide } from './decide.ts';
import { Ledger } from '../ledger/ledger.ts';

const record = {
  id: 'run_a' as RunId,
  agent: 'a',
  spawn_depth: 0,
  ceilings: DEFAULT_CEILINGS,
  budget: { ...DEFAULT_BUDGET, children: 100_000 },
  caps: [],
  header: { seed: '' },
} as unknown as RunRecord;

function spawning(ledger: Ledger) {
  const manifest = { spawns: ['kid'], uses: {}, ceilings: {}, budget: {} };
  let drawn = 0;
  const random = (n: number) => new Uint8Array(n).map(() => (drawn += 1));
  const context = {
    now: 0,
    random,
    grants: new Grants(),
    tool: () => undefined,
    reach: () => undefined,
    policies: undefined,
    digest: (text: string) => text,
    agent: () => ({ manifest }) as never,
  };
  const effect = { kind: 'spawn', id: ledger.lastId + 1, agent: 'kid', input: null, caps: {}, budget: { cpu_ms: 1 } } as never;
  return decide(ledger, ledger.seq + 1, [effect], context).decisions[0];
}

describe('a run', () => {
  test('holds so many capabilities and not one more, and has room again when a child has ended', () => {
    const ledger = new Ledger(record);
    for (let i = 0; i < MACHINE.capabilities.default - 1; i++) ledger.caps.set(i, `grant_${i}` as GrantId);
    expect(spawning(ledger)).toMatchObject({ verdict: 'allow' });
    expect(spawning(ledger)).toMatchObject({ verdict: 'deny', code: 'CORRAL_BUDGET_EXCEEDED', limit: 'capabilities' });
    const outcome = { kind: 'completed', output: null } as const;
    ledger.applyDelivery({ kind: 'child_ended', at: 0, id: 1, run: undefined, outcome, spent: {} }, 0);
    expect(spawning(ledger)).toMatchObject({ verdict: 'allow' });
  });
});
