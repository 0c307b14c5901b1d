/** Purses of runs that are older than money amounts, forecasts of money, and bills of single attempts. */
import { describe, expect, test } from 'vitest';
import { Purse } from '@corral/policy/capability/purse';
import { BUDGET_NAMES, DEFAULT_BUDGET, DEFAULT_CEILINGS } from '@corral/protocol/limits';
import type { RunRecord } from '@corral/protocol/model/run';
import { Ledger } from '../ledger/ledger.ts';
import { Bill } from './price.ts';
import { RunDetectors } from '../ledger/detectors.ts';

const OLD = { cpu_ms: 1, calls: 2, messages: 3, bytes: 4, children: 5 };
const record = (more: object) =>
  ({ id: 'run_a', ceilings: DEFAULT_CEILINGS, budget: OLD, caps: [], header: { seed: '' }, ...more }) as unknown as RunRecord;

describe('a run from before there were tokens and money', () => {
  test('has what it would be given today, and a child of one has nothing that its parent was never asked for', () => {
    const { tokens, money_micros } = DEFAULT_BUDGET;
    expect(new Ledger(record({})).purse.granted).toEqual({ ...OLD, tokens, money_micros });
    expect(new Ledger(record({ parent: { run: 'run_b', id: 1, agent: 'b' } })).purse.granted).toEqual({
      ...OLD,
      tokens: 0,
      money_micros: 0,
    });
  });

  test('comes back from what was saved of it, and its children’s ends settle what they were given', () => {
    const ledger = new Ledger(record({}));
    const saved = JSON.parse(JSON.stringify(ledger.save(0))) as ReturnType<Ledger['save']>;
    const before = {
      ...saved,
      spent: { ...OLD, calls: 1 },
      reserved: OLD,
      pending: [{ kind: 'child', id: 1, run: 'run_c', reserved: OLD }],
    };
    ledger.load(before as never);
    ledger.applyDelivery({ kind: 'child_ended', at: 0, id: 1, run: undefined, outcome: { kind: 'completed', output: null }, spent: {} }, 0);
    for (const name of BUDGET_NAMES) expect(ledger.purse.left(name)).not.toBeNaN();
    expect(ledger.purse.reserved()).toEqual(Object.fromEntries(BUDGET_NAMES.map((name) => [name, 0])));
  });
});

test('money that runs out is foreseen, and told in whole units', () => {
  const purse = new Purse({ ...DEFAULT_BUDGET, money_micros: 30_000_000 });
  const watch = new RunDetectors();
  const texts: string[] = [];
  for (let second = 1; second <= 28; second++) {
    purse.spend('money_micros', 1_000_000);
    watch.delivered({ kind: 'reply', at: second * 1_000, results: [{ id: second, value: second }] }, second, purse);
    watch.settle();
    texts.push(...watch.settled.found.map(({ evidence }) => evidence.text));
  }
  expect(texts.at(-1)).toMatch(/^Exceeds its money in \d+ s: \d+ of 30 used, 1 a second/);
});

describe('a bill', () => {
  const price = { each: { tokens: 10, money_micros: 5 }, moves: 100 };
  const bill = (...results: Parameters<Bill['attempted']>[0][]) => {
    const made = new Bill(price);
    for (const result of results) made.attempted(result);
    return made.total;
  };
  const idle = { kind: 'failed', message: '', retryable: true } as const;
  const failed = { kind: 'failed', message: '' } as const;
  const late = { kind: 'timed_out', message: '' } as const;
  const ok = { kind: 'ok', value: 1 } as const;

  test.each([
    ['nothing for what was never tried', [], { tokens: 0, money_micros: 0 }],
    ['nothing for what says that it did nothing', [idle, idle], { tokens: 0, money_micros: 0 }],
    ['everything for what does not say', [ok], { tokens: 10, money_micros: 105 }],
    ['everything for what failed some other way', [failed], { tokens: 10, money_micros: 105 }],
    ['what it says, by amount', [{ ...ok, cost: { tokens: 3 } }], { tokens: 3, money_micros: 105 }],
    ['what a failure says', [{ ...failed, cost: { money_micros: 0 } }], { tokens: 10, money_micros: 0 }],
    ['the fee of each attempt, and what moved once', [late, late, ok], { tokens: 30, money_micros: 115 }],
    ['what may have moved, though the last attempt did nothing', [late, idle], { tokens: 10, money_micros: 105 }],
    [
      'more than was expected where a tool says so',
      [{ ...ok, cost: { tokens: 99, money_micros: 999 } }],
      { tokens: 99, money_micros: 999 },
    ],
  ])('is %s', (_, results, total) => {
    expect(bill(...results)).toEqual(total);
  });

  test('is nothing at all for a tool that charges nothing, unless it says so', () => {
    const made = new Bill(undefined);
    made.attempted(ok);
    expect(made.total).toBeUndefined();
    made.attempted({ ...ok, cost: { tokens: 4 } });
    expect(made.total).toEqual({ tokens: 4 });
  });
});
