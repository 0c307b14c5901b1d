import { expect, test } from 'vitest';
import type { TenantId } from '@corral/protocol/ids';
import { Entrance } from './entrance.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

const PRESENT_MS = 1_000;

/** An entrance whose work is over when the test says so, on a clock that the test moves. */
function watched(admissions: number, alone: number, shared = alone) {
  const clock = { at: 0, monotonic: () => clock.at };
  const entrance = new Entrance(clock, { admissions, alone, shared, present_ms: PRESENT_MS });
  const inside: { readonly name: string; readonly done: (error?: Error) => void }[] = [];
  const pass = (tenant: string, name: string) =>
    entrance.pass(
      tenant as TenantId,
      () =>
        new Promise<void>((resolve, reject) => inside.push({ name, done: (error) => (error === undefined ? resolve() : reject(error)) })),
    );
  return { clock, pass, inside, names: () => inside.map(({ name }) => name) };
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

test('a tenant that shares the host has fewer jobs under way, until it has the host to itself again', async () => {
  const { clock, pass, inside, names } = watched(20, 8, 2);
  for (let i = 0; i < 100; i++) void pass('flood', `flood ${i}`);
  await turn();
  expect(names()).toHaveLength(8);
  void pass('other', 'other');
  await turn();
  expect(names().at(-1)).toBe('other');
  // No job of the flood comes in while more than two are inside.
  for (const job of inside.splice(0, 6)) job.done();
  await turn();
  expect(names()).toEqual(['flood 6', 'flood 7', 'other']);
  inside.shift()?.done();
  await turn();
  expect(names()).toEqual(['flood 7', 'other', 'flood 8']);
  clock.at += PRESENT_MS;
  inside.shift()?.done();
  await turn();
  expect(names()).toHaveLength(2 + 7);
});

test('another tenant counts as present each time it submits a job', async () => {
  const { clock, pass, inside, names } = watched(20, 8, 2);
  for (let i = 0; i < 100; i++) void pass('flood', `flood ${i}`);
  for (let probe = 0; probe < 5; probe++) {
    void pass('other', `other ${probe}`);
    await turn();
    for (const job of inside.splice(0)) job.done();
    await turn();
    expect(names().length, `after probe ${probe}`).toBeLessThanOrEqual(2);
    clock.at += PRESENT_MS / 2;
  }
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
