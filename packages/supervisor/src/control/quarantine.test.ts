import { expect, test } from 'vitest';
import type { AgentName, TenantId } from '@corral/protocol/ids';
import type { Quarantine } from '@corral/protocol/model/quarantine';
import type { Store } from '@corral/protocol/ports/store';
import { Quarantines } from './quarantine.ts';

const run = { tenant: 'crew' as TenantId, agent: 'a' as AgentName };
const one = (at: number): Quarantine => ({ kind: 'tenant', name: 'crew', by: 'ana', reason: 'looks odd', at });

test('a quarantine that is put up while an older one is being lifted stands', async () => {
  const written = Promise.withResolvers<undefined>();
  const store = { putQuarantine: async () => undefined, liftQuarantine: () => written.promise } as unknown as Store;
  const quarantines = new Quarantines(store);
  await quarantines.put(one(1));
  const lifted = quarantines.lift('tenant', 'crew', 'bob', 2);
  await quarantines.put(one(3));
  written.resolve(undefined);
  expect(await lifted).toEqual(one(1));
  expect(quarantines.against(run, 'sha256:1')).toEqual(one(3));
});

test('each denied crank takes its quarantine along until one of them is durable, so that a refused one leaves none out', () => {
  const quarantines = new Quarantines({} as Store);
  const [first, second, third] = [one(1), one(2), one(3)];
  expect(quarantines.stand(first)).toBe(true);
  expect(quarantines.stand(second)).toBe(true);
  quarantines.withdraw(first);
  expect(quarantines.against(run, 'sha256:1')).toEqual(second);
  quarantines.settled(second);
  expect(quarantines.stand(third)).toBe(false);
});

test('a crank that is denied while a quarantine is being lifted puts up its own', async () => {
  const written = Promise.withResolvers<undefined>();
  const store = { putQuarantine: async () => undefined, liftQuarantine: () => written.promise } as unknown as Store;
  const quarantines = new Quarantines(store);
  await quarantines.put(one(1));
  const lifted = quarantines.lift('tenant', 'crew', 'bob', 2);
  expect(quarantines.stand(one(3))).toBe(true);
  written.resolve(undefined);
  await lifted;
  expect(quarantines.against(run, 'sha256:1')).toEqual(one(3));
});

test('a lift that the store refuses leaves the quarantine as it was', async () => {
  const store = { putQuarantine: async () => undefined, liftQuarantine: () => Promise.reject(new Error('full')) } as unknown as Store;
  const quarantines = new Quarantines(store);
  await quarantines.put(one(1));
  await expect(quarantines.lift('tenant', 'crew', 'bob', 2)).rejects.toThrow('full');
  expect(quarantines.stand(one(3))).toBe(false);
  expect(quarantines.list()).toEqual([one(1)]);
});
