import { expect, test } from 'vitest';
import type { AgentName, TenantId } from '@corral/protocol/ids';
import type { Quarantine, Store } from '@corral/protocol/store';
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
