/** Accounts from which other nodes spend too: what this node knows of that, and when. */
import { expect, test } from 'vitest';
import { DEFAULT_BUDGET, DEFAULT_CEILINGS } from '@corral/protocol/limits';
import { NO_SPEND, type AccountDay, type Spend } from '@corral/protocol/model/spend';
import type { RunRecord } from '@corral/protocol/model/run';
import type { TenantId } from '@corral/protocol/ids';
import { Ledger } from '../ledger/ledger.ts';
import { Accounts } from './accounts.ts';

const NOW = Date.UTC(2026, 10, 28, 12);
const CREW = 'crew' as TenantId;
const ledger = new Ledger({
  id: 'run_a',
  tenant: CREW,
  agent: 'buyer',
  principal: 'ana',
  ceilings: DEFAULT_CEILINGS,
  budget: DEFAULT_BUDGET,
  caps: [],
  header: { seed: '' },
} as unknown as RunRecord);

const spent = (kind: AccountDay['kind'], name: string, amounts: Partial<Spend>): AccountDay => ({
  tenant: CREW,
  kind,
  name,
  day: '2026-11-28',
  spent: { ...NO_SPEND, ...amounts },
  reserved: NO_SPEND,
});

test('what other nodes spent counts for thresholds of a day too, where no account has a limit', async () => {
  const accounts = new Accounts(() => undefined, true);
  expect(accounts.today(ledger, NOW)).toBe(0);
  await accounts.follow({ spend: async () => [spent('agent', 'buyer', { money_micros: 5 })] }, NOW);
  expect(accounts.today(ledger, NOW)).toBe(5);
});

test('a reading that is asked for while an earlier one is under way has what was spent since that began', async () => {
  const accounts = new Accounts(() => ({ day: { calls: { hard: 1 } } }), true);
  expect(accounts.left(ledger, 'calls', NOW)).toBe(1);
  const before = Promise.withResolvers<AccountDay[]>();
  const earlier = accounts.follow({ spend: () => before.promise }, NOW);
  const later = accounts.follow({ spend: async () => [spent('tenant', CREW, { calls: 1 })] }, NOW, CREW);
  before.resolve([]);
  await later;
  expect(accounts.left(ledger, 'calls', NOW)).toBe(0);
  await earlier;
  expect(accounts.left(ledger, 'calls', NOW)).toBe(0);
});

test('a reading after one that the store refused reads its tenants as well', async () => {
  const accounts = new Accounts(() => ({ day: { calls: { hard: 1 } } }), true);
  accounts.left(ledger, 'calls', NOW);
  const refused = accounts.follow({ spend: () => Promise.reject(new Error('gone')) }, NOW);
  const later = accounts.follow({ spend: async () => [spent('tenant', CREW, { calls: 1 })] }, NOW);
  await expect(refused).rejects.toThrow('gone');
  await later;
  expect(accounts.left(ledger, 'calls', NOW)).toBe(0);
});
