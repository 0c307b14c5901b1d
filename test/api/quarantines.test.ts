/** Quarantines through the real front door: who may put them up and lift them, and whom they stop. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Client } from '@corral/protocol/api/client';
import { SLEEP, front, shortFolder } from '../front.ts';
import { until } from '../until.ts';

const outcome = async (client: Client, run: string) =>
  (await client.showRun({ params: { run: run as never }, query: { wait_ms: 60_000 } })).outcome;

describe('a quarantine', () => {
  test('on an agent keeps new runs out and running ones still, until it is lifted', async () => {
    const made = await front();
    const { admin, deploy } = made;
    await deploy(SLEEP);
    const operator = await made.as('local', 'operator');
    const { run } = await admin.submitRun({ body: { agent: 'sleeper' } });
    await until(async () => (await admin.showRun({ params: { run } })).waiting === 'timer');
    const put = await operator.putQuarantine({ body: { kind: 'agent', name: 'sleeper', reason: 'odd' } });
    expect(put).toMatchObject({ kind: 'agent', name: 'sleeper', tenant: 'local', reason: 'odd' });
    expect((await admin.showRun({ params: { run } })).control).toBe('quarantined');
    expect((await admin.listRuns({ query: { control: 'quarantined' } })).items.map((one) => one.run)).toEqual([run]);
    await expect(admin.submitRun({ body: { agent: 'sleeper' } })).rejects.toMatchObject({ code: 'CORRAL_QUARANTINED' });
    expect(put.runs).toHaveLength(1);
    const { runs: _, ...listed } = put;
    expect((await operator.listQuarantines({})).items).toEqual([listed]);
    const { by, reason, at } = put;
    const again = await admin.putQuarantine({ body: { kind: 'agent', name: 'sleeper', reason: 'odder' } });
    expect([put.replaced, again]).toEqual([undefined, expect.objectContaining({ reason: 'odder', replaced: { by, reason, at } })]);
    expect((await operator.listQuarantines({})).items).toEqual([expect.objectContaining({ reason: 'odder' })]);
    await operator.liftQuarantine({ params: { kind: 'agent', name: 'sleeper' }, query: { reason: 'explained' } });
    expect((await operator.listQuarantines({})).items).toEqual([]);
    await until(async () => (await admin.showRun({ params: { run } })).control === 'none');
    await admin.submitRun({ body: { agent: 'sleeper' } });
    const done = (await admin.listOperations({ query: {} })).items.map((one) => one.operation);
    expect(done.slice(0, 4)).toEqual(['lift', 'quarantine', 'refuse-request', 'quarantine']);
  });

  test('on what is not there is refused, since it would stop nothing', async () => {
    const { admin } = await front();
    const put = (kind: 'agent' | 'tool' | 'tenant' | 'version', name: string) =>
      admin.putQuarantine({ body: { kind, name, reason: 'x' } }).then(
        () => 'put',
        (error: { code: string }) => error.code,
      );
    expect(await put('agent', 'nobody')).toBe('CORRAL_AGENT_UNKNOWN');
    expect(await put('tool', 'nothing')).toBe('CORRAL_CAP_UNKNOWN');
    expect(await put('tenant', 'nowhere')).toBe('CORRAL_TENANT_UNKNOWN');
    expect(await put('version', 'latest')).toBe('CORRAL_VERSION_UNKNOWN');
  });

  test('on a version or a tenant is the host’s to put up and lift, and reaches no other tenant by its name', async () => {
    const made = await front({ configText: JSON.stringify({ tenants: { own: {}, 'own/inner': {} } }) });
    const version = await made.deploy(SLEEP, { tenant: 'own/inner' });
    await made.deploy(SLEEP.replace('sleeper', 'inner/sleeper'), { tenant: 'own' });
    const operator = await made.as('own', 'operator', 'admin');
    const put = (kind: 'agent' | 'version' | 'tenant', name: string) => operator.putQuarantine({ body: { kind, name, reason: 'x' } });
    await expect(put('version', version)).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
    await expect(put('tenant', 'own')).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
    await expect(put('agent', 'inner/sleeper')).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
    await made.admin.putQuarantine({ body: { kind: 'tenant', name: 'own', reason: 'x' } });
    await expect(operator.liftQuarantine({ params: { kind: 'tenant', name: 'own' }, query: { reason: 'x' } })).rejects.toMatchObject({
      code: 'CORRAL_FORBIDDEN',
    });
  });
});

describe('a quarantine that a tenant’s policies put up', () => {
  const RULES = `@id("free") permit (principal, action, resource);
@id("evil-quarantine") @consequence("quarantine") forbid (principal, action == Action::"tool:fs.write", resource)
when { context.args.path == "evil.txt" };
`;
  const TWO = `{ name: 'two', uses: { write: 'tool:fs.write' }, run: async ({ input, caps, sleep }) => {
    if (input.path === undefined) await sleep(3600000);
    return caps.write({ path: input.path, text: 'x' }).then(() => 'written', (error) => error.code); } }`;

  async function sharing() {
    const folder = await shortFolder();
    await writeFile(join(folder, 'crew.cedar'), RULES);
    const made = await front({
      configText: JSON.stringify({
        policies: 'none',
        files: { write: await shortFolder() },
        tenants: { crew: { policies: [join(folder, 'crew.cedar')] }, shop: {}, 'crew/inner': {} },
      }),
    });
    const version = await made.deploy(TWO, { tenant: 'crew' });
    for (const tenant of ['shop', 'crew/inner']) expect(await made.deploy(TWO, { tenant })).toBe(version);
    const submit = async (tenant: string, input: { path?: string }) =>
      (await made.admin.submitRun({ body: { agent: 'two', tenant, input } })).run;
    return { ...made, version, submit };
  }

  test('is that tenant’s alone: others run the same bundle on, and see nothing of it', { tags: 'long' }, async () => {
    const { admin, as, version, submit, data, host } = await sharing();
    const bystander = await submit('shop', {});
    await until(async () => (await admin.showRun({ params: { run: bystander } })).waiting === 'timer');
    const evil = await submit('crew', { path: 'evil.txt' });
    await until(async () => (await admin.showRun({ params: { run: evil } })).control === 'quarantined');
    await expect(submit('crew', { path: 'a.txt' })).rejects.toMatchObject({ code: 'CORRAL_QUARANTINED' });
    for (const tenant of ['shop', 'crew/inner'])
      expect(await outcome(admin, await submit(tenant, { path: 'a.txt' }))).toEqual({ kind: 'completed', output: 'written' });
    expect((await admin.showRun({ params: { run: bystander } })).control).toBe('none');
    const shop = await as('shop', 'operator', 'auditor', 'admin');
    const seen = [
      await shop.listQuarantines({}),
      await shop.listOperations({ query: {} }),
      await shop.whyRun({ params: { run: bystander } }),
    ];
    expect(JSON.stringify(seen)).not.toContain('evil');
    expect((await shop.runAuthority({ params: { run: bystander } })).quarantined).toBeNull();
    // It is among the operations of its tenant, with the run that led to it.
    const crew = await as('crew', 'operator');
    const stops = (await crew.listOperations({ query: {} })).items.filter(({ operation }) => operation === 'quarantine');
    expect(stops).toMatchObject([
      { operation: 'quarantine', by: 'policy', target: { kind: 'version', name: version, tenant: 'crew' }, matched: [evil] },
    ]);
    expect((await crew.listQuarantines({})).items).toMatchObject([
      { kind: 'version', tenant: 'crew', reason: 'refused by evil-quarantine' },
    ]);
    await host.close();
    const again = await front({ data, config: join(data, '..', 'corral.config.json') });
    expect((await again.admin.listOperations({ query: {} })).items.filter(({ operation }) => operation === 'quarantine')).toHaveLength(1);
    await expect(again.admin.submitRun({ body: { agent: 'two', tenant: 'crew', input: {} } })).rejects.toMatchObject({
      code: 'CORRAL_QUARANTINED',
    });
    await again.admin.submitRun({ body: { agent: 'two', tenant: 'shop', input: {} } });
  });

  test('is lifted by that tenant’s operator, and by no other tenant’s', async () => {
    const { admin, as, version, submit } = await sharing();
    const evil = await submit('crew', { path: 'evil.txt' });
    await until(async () => (await admin.showRun({ params: { run: evil } })).control === 'quarantined');
    const lift = async (tenant: string) =>
      (await as(tenant, 'operator')).liftQuarantine({ params: { kind: 'version', name: version }, query: { reason: 'explained' } });
    await expect(lift('shop')).rejects.toMatchObject({ code: 'CORRAL_RUN_STATE' });
    expect(await lift('crew')).toMatchObject({ tenant: 'crew', by: 'policy' });
    expect(await outcome(admin, await submit('crew', { path: 'a.txt' }))).toEqual({ kind: 'completed', output: 'written' });
  });

  test('and one on a version is of every tenant only where an admin of the host says so', async () => {
    const { admin, as, version, submit } = await sharing();
    const operator = await as('shop', 'operator');
    const put = (client: Client, tenant?: string) =>
      client.putQuarantine({
        body: { kind: 'version', name: version, reason: 'odd', ...(tenant === undefined ? {} : { tenant }) },
      });
    expect(await put(operator)).toMatchObject({ tenant: 'shop' });
    await expect(put(operator, '*')).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
    await expect(put(admin)).rejects.toMatchObject({ code: 'CORRAL_TENANT_UNKNOWN' });
    await submit('crew', {});
    await expect(submit('shop', {})).rejects.toMatchObject({ code: 'CORRAL_QUARANTINED' });
    expect(await put(admin, '*')).toMatchObject({ tenant: null });
    for (const tenant of ['crew', 'shop', 'crew/inner'])
      await expect(submit(tenant, {})).rejects.toMatchObject({ code: 'CORRAL_QUARANTINED' });
    const lift = (client: Client, tenant: string) =>
      client.liftQuarantine({ params: { kind: 'version', name: version }, query: { reason: 'ok', tenant } });
    await expect(lift(operator, '*')).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
    await lift(operator, 'shop');
    await expect(submit('shop', {})).rejects.toMatchObject({ code: 'CORRAL_QUARANTINED' });
    await lift(admin, '*');
    await submit('shop', {});
  });
});
