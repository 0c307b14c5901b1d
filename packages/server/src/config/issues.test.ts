/** A configuration that is refused tells the person who wrote it how to go on. */
import { expect, test } from 'vitest';
import * as z from 'zod';
import { faultsOf } from './issues.ts';
import { tool } from './define.ts';
import { Config } from './schema.ts';

const said = (value: unknown): string[] => {
  const { error } = Config.safeParse(value);
  return faultsOf(error?.issues ?? [], Config).map(({ path, message }) => `${path.join('.')}: ${message}`);
};

test('an unknown key comes with the one that is meant, or with all that there are', () => {
  expect(said({ tenantz: {} })).toEqual([': Unrecognized key: "tenantz". Did you mean tenants?']);
  expect(said({ policy: [] })).toEqual([expect.stringMatching(/^: Unrecognized key: "policy"\. There are: .*\bpolicies\b/) as string]);
});

test('a value of the wrong kind comes with the kind and the keys that are meant', () => {
  expect(said({ secrets: { shop: 'SHOP_KEY' } })).toEqual([
    expect.stringMatching(/^secrets\.shop: .*expected object, received string.*An object has: .*\benv\b/) as string,
  ]);
});

test('a misspelt field of a tool is refused', () => {
  const spec = { name: 'shop.pay', description: 'Pays.', input: z.object({}), output: z.object({}), run: () => ({}) };
  expect(() => tool({ ...spec, anotations: { destructive: false } } as never)).toThrow(
    'tool shop.pay: there is no field anotations. Did you mean annotations?',
  );
});
