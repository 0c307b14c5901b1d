/** Isolation of tenants and agents, by the configuration and by the number of those who deploy agents. */
import { expect, test } from 'vitest';
import { front } from '../front.ts';

const agent = (name: string) => `{ name: '${name}', run: () => 1 }`;

test('agents of a tenant share no cell once several principals deploy them, unless the configuration says what holds', async () => {
  const f = await front({
    configText: JSON.stringify({
      tenants: {
        crew: { agents: { lone: { isolation: 'run' } } },
        zoo: {},
        open: { isolation: 'tenant', agents: { lone: { isolation: 'agent' } } },
      },
    }),
  });
  const of = (tenant: string, name: string) => f.host.door.settings.inForce().tenants[tenant]?.isolation?.(name);
  const deploy = async (tenant: string, name: string) => {
    const { source, describing } = await f.bundle(agent(name));
    await (await f.as(tenant, 'developer')).deployAgent({ body: { source, describing } });
  };
  expect(['crew', 'zoo', 'open'].map((tenant) => of(tenant, 'a'))).toEqual(['tenant', 'tenant', 'tenant']);
  expect([of('crew', 'lone'), of('open', 'lone')]).toEqual(['run', 'agent']);
  for (const tenant of ['crew', 'open']) await deploy(tenant, 'a');
  expect(of('crew', 'a')).toBe('tenant');
  for (const tenant of ['crew', 'open']) await deploy(tenant, 'b');
  expect(['crew', 'zoo', 'open'].map((tenant) => of(tenant, 'a'))).toEqual(['agent', 'tenant', 'tenant']);
  expect([of('crew', 'lone'), of('open', 'lone')]).toEqual(['run', 'agent']);
});
