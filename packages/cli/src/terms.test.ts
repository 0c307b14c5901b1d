import { describe, expect, test } from 'vitest';
import { Attenuation } from '@corral/protocol/model/grant';
import { Budget } from '@corral/protocol/model/manifest';
import { budgetArgument, grantArguments } from './terms.ts';

describe('--budget', () => {
  test('takes amounts by name, and money in whole units of the currency', async () => {
    const budget = await budgetArgument('money=12.50, tokens=20000,cpu_ms=500');
    expect(budget).toEqual({ money_micros: 12_500_000, tokens: 20_000, cpu_ms: 500 });
    expect(Budget.safeParse(budget).success).toBe(true);
    expect(await budgetArgument('money_micros=7')).toEqual({ money_micros: 7 });
    expect(await budgetArgument('money=0.1')).toEqual({ money_micros: 100_000 });
  });

  test('takes JSON as well', async () => {
    expect(await budgetArgument('{"calls":3}')).toEqual({ calls: 3 });
  });

  test.each([
    ['cash=3', /has no amount cash; its amounts are .*money/],
    ['money=lots', /money=lots is not an amount/],
    ['money=', /is not an amount/],
    ['money=-1', /is not an amount/],
    ['money', /money is not of the form NAME=VALUE/],
    ['', /says nothing/],
    ['{', /is not valid JSON/],
  ])('refuses %j with what is wrong', async (text, message) => {
    await expect(budgetArgument(text)).rejects.toThrow(message);
  });
});

describe('--grant', () => {
  test('takes terms by name, with dots into where', () => {
    const grants = grantArguments([
      'pay:uses=3,where.amount.max=100,where.to.iban.in=["DE1","DE,2"],expires_in_ms=60000',
      'read:where.path.under=docs/2026,where.path.max_length=80,rate.per_minute=5,only_clean=true,rights=["read"]',
      'look:{"uses":1}',
    ]);
    expect(grants).toEqual({
      pay: { uses: 3, where: { amount: { max: 100 }, 'to.iban': { in: ['DE1', 'DE,2'] } }, expires_in_ms: 60_000 },
      read: { where: { path: { under: 'docs/2026', max_length: 80 } }, rate: { per_minute: 5 }, only_clean: true, rights: ['read'] },
      look: { uses: 1 },
    });
    for (const terms of Object.values(grants)) expect(Attenuation.safeParse(terms).success).toBe(true);
  });

  test('takes text for text, and JSON for what is compared', () => {
    expect(grantArguments(['a:where.n.prefix=12,where.m.equals=12,where.o.equals="12",where.p.equals=DE12,where.q.equals=null'])).toEqual({
      a: { where: { n: { prefix: '12' }, m: { equals: 12 }, o: { equals: '12' }, p: { equals: 'DE12' }, q: { equals: null } } },
    });
  });

  test.each([
    ['pay', /ALIAS:TERMS/],
    ['pay:', /says nothing/],
    ['pay:use=3', /pay has no term use; terms are uses/],
    ['pay:where.amount=3', /where\.ARGUMENT\.PREDICATE; predicates are equals/],
    ['pay:where.amount.most=3', /predicates are equals/],
    ['pay:{"uses":', /is not valid JSON/],
  ])('refuses %j with what is wrong', (text, message) => {
    expect(() => grantArguments([text])).toThrow(message);
  });

  test('refuses one alias said twice, since it is not plain which of them is meant', () => {
    expect(() => grantArguments(['pay:uses=1', 'pay:uses=2'])).toThrow(/names pay twice/);
  });
});
