import { expect, test } from 'vitest';
import type { TenantId } from '@corral/protocol/ids';
import { Entrance } from './entrance.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** An entrance whose work is over when the test says so. */
function watched(admissions: number, admissions_per_tenant: number) {
  const entrance = new Entrance({ admissions, admissions_per_tenant });
  const inside: { readonly name: string; readonly done: (error?: Error) => void }[] = [];
  const pass = (tenant: string, name: string) =>
    entrance.pass(
      tenant as TenantId,
      () =>
        new Promise<void>((resolve, reject) => inside.push({ name, done: (error) => (error === undefined ? resolve() : reject(error)) })),
    );
  return { pass, inside, names: () => inside.map(({ name }) => name) };
}

test('a job of another tenant comes in at once, though hundreds of one tenant wait', async () => {
  const { pass, names } = watched(6, 4);
  for (let i = 0; i < 300; i++) void pass('flood', `flood ${i}`);
  void pass('other', 'other');
  await turn();
  expect(names()).toEqual(['flood 0', 'flood 1', 'flood 2', 'flood 3', 'other']);
});

test('tenants take turns where all that may be inside are', async () => {
  const { pass, inside, names } = watched(2, 2);
  for (const tenant of ['a', 'b', 'c']) for (let i = 0; i < 3; i++) void pass(tenant, `${tenant}${i}`);
  for (let done = 0; done < 9; done++) {
    await turn();
    inside[done]?.done();
  }
  expect(names()).toEqual(['a0', 'a1', 'a2', 'b0', 'c0', 'b1', 'c1', 'b2', 'c2']);
});

test('one that is refused leaves room for the next', async () => {
  const { pass, inside, names } = watched(1, 1);
  const refused = pass('a', 'a0');
  void pass('a', 'a1');
  await turn();
  inside[0]?.done(new Error('no'));
  await expect(refused).rejects.toThrow('no');
  await turn();
  expect(names()).toEqual(['a0', 'a1']);
});
