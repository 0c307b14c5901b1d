import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { JSON_MAX_DEPTH, type Json } from '@corral/protocol/json';
import { HELLO, SLEEP, front, onTables, shortFolder } from '../front.ts';
import { until } from '../until.ts';
import { agentFile } from '../agents/file.ts';
import { eachOrLong } from '../tables.ts';

async function fileHost(config: unknown) {
  const folder = await shortFolder();
  const file = join(folder, 'corral.config.json');
  const write = (value: unknown) => writeFile(file, typeof value === 'string' ? value : JSON.stringify(value));
  await write(config);
  return { ...(await front({ config: file })), write, folder };
}

test('is read again, compared, and applied while runs go on; each run says under which version it was admitted', async () => {
  const { admin, deploy, write } = await fileHost({ tenants: { local: {} } });
  await deploy(HELLO);
  const before = await admin.showConfig({});
  expect(await admin.checkConfig({})).toMatchObject({ same: true, changes: [] });
  await write({ tenants: { local: { queue: 1 }, guests: {} } });
  const checked = await admin.checkConfig({});
  expect(checked.changes.map(({ path }) => path)).toEqual(['policy_versions.guests', 'tenants.guests', 'tenants.local.queue']);
  expect((await admin.showConfig({})).version).toBe(before.version);
  const old = await admin.submitRun({ body: { agent: 'hello', input: { name: 'A' } } });
  expect(old.config).toBe(before.version);
  await admin.applyConfig({});
  await admin.showRun({ params: { run: old.run }, query: { wait_ms: 60_000 } });
  const made = await admin.submitRun({ body: { agent: 'hello', input: { name: 'A' } } });
  expect(made.config).toBe(checked.version);
  const { config } = await admin.operate({ body: { operation: 'kill', target: { tenant: 'guests' }, reason: 'x' } });
  expect(config).toBe(checked.version);
});

test('that is wrong anywhere changes nothing', async () => {
  const { admin, write } = await fileHost({ tenants: { local: {} } });
  const { version } = await admin.showConfig({});
  for (const wrong of [
    '{',
    { tenants: { local: { queue: 0 } } },
    { tenants: { 'Not a name': {} } },
    { surprise: 1 },
    { tenants: { local: { tools: ['no.such'] } } },
    { webhooks: [{ url: 'https://example.org', secret: 'unheard' }] },
    { files: { read: '/no/such/folder' } },
    { policies: { owners: { shop: 'eva' } } },
    { policies: { roles: { ana: ['buyer'] } } },
  ]) {
    await write(wrong);
    await expect(admin.applyConfig({})).rejects.toMatchObject({ code: 'CORRAL_CONFIG_INVALID', status: 422 });
    expect((await admin.showConfig({})).version).toBe(version);
  }
});

test('offers and takes away tools while it runs', async () => {
  const { admin, deploy, write, folder } = await fileHost({ tenants: { local: {} } });
  const reader = `{ name: 'reader', uses: { read: 'tool:fs.read' }, run: async ({ caps }) => (await caps.read({ path: 'corral.config.json' })).bytes }`;
  await expect(deploy(reader)).rejects.toMatchObject({ code: 'CORRAL_CAP_UNKNOWN' });
  await write({ tenants: { local: {} }, files: { read: folder } });
  await admin.applyConfig({});
  expect((await admin.listTools({})).items.map(({ tool }) => tool)).toEqual(['fs.read', 'fs.list', 'owner.ask']);
  await deploy(reader);
  const { run } = await admin.submitRun({ body: { agent: 'reader' } });
  expect((await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } })).ended_as).toBe('completed');
  await write({ tenants: { local: {} } });
  await admin.applyConfig({});
  await expect(admin.submitRun({ body: { agent: 'reader' } })).rejects.toMatchObject({ code: 'CORRAL_CAP_UNKNOWN' });
});

test('ceilings of host and tenant hold for who asks for more, and for agents that were made with more', async () => {
  const { admin, deploy } = await fileHost({ ceilings: { wall_ms: 60_000 }, tenants: { local: { ceilings: { memory_mib: 32 } } } });
  await deploy(HELLO);
  const submit = (ceilings: Record<string, number>) => admin.submitRun({ body: { agent: 'hello', input: { name: 'A' }, ceilings } });
  await expect(submit({ wall_ms: 60_001 })).rejects.toMatchObject({ status: 400 });
  await expect(submit({ memory_mib: 33 })).rejects.toMatchObject({ status: 400 });
  const { run } = await submit({ memory_mib: 16 });
  expect((await admin.showRun({ params: { run } })).ceilings).toMatchObject({ wall_ms: 60_000, memory_mib: 16 });
});

test('a schedule submits its job once for each time that comes', async () => {
  const { admin, deploy, host } = await front();
  await deploy(HELLO);
  const made = await admin.makeSchedule({ body: { agent: 'hello', input: { name: 'C' }, cron: '0 0 1 1 *' } });
  await expect(admin.makeSchedule({ body: { agent: 'hello', cron: 'sometimes' } })).rejects.toMatchObject({
    code: 'CORRAL_SCHEDULE_INVALID',
  });
  await expect(admin.makeSchedule({ body: { agent: 'nobody', cron: '0 0 1 1 *' } })).rejects.toMatchObject({
    code: 'CORRAL_AGENT_UNKNOWN',
  });
  // Its time has come, and came while nobody looked; the host is started as it would be after that.
  onTables(host, 'UPDATE schedules SET next_at = ? WHERE id = ?', Date.now() - 60_000, made.schedule);
  host.door.scheduler.start();
  await until(async () => (await admin.listSchedules({})).items[0]?.last_run !== null);
  const [schedule] = (await admin.listSchedules({})).items;
  const { items } = await admin.listRuns({});
  expect(items.map(({ run, principal }) => [run, principal])).toEqual([[schedule?.last_run, `schedule:${made.schedule}`]]);
  expect(schedule?.next_at).toBeGreaterThan(Date.now());
});

test('a schedule whose input its agent does not take is refused when it is made', async () => {
  const { admin, deploy } = await front();
  await deploy(`
    import { defineAgent } from '@corral/guest';
    import * as z from 'zod';
    export default defineAgent({ name: 'strict', input: z.object({ name: z.string() }), run: ({ input }) => input.name });`);
  const make = (input: Json) => admin.makeSchedule({ body: { agent: 'strict', input, cron: '0 0 1 1 *' } });
  // Its own schema says so, in a cell that is thrown away.
  await expect(make({ name: 7 })).rejects.toMatchObject({
    // As a job with this input would be: the cron expression is not at fault.
    code: 'CORRAL_INPUT_INVALID',
    message: expect.stringMatching(/strict refuses this input: .*name/) as string,
  });
  await make({ name: 'A' });
  expect((await admin.listSchedules({})).items).toHaveLength(1);
  // A trial makes no run.
  expect((await admin.listRuns({})).items).toEqual([]);
});

test('the trial of a schedule’s input is held to what a job of its tenant is, and not made where none would be taken', async () => {
  const { admin, deploy } = await fileHost({ tenants: { local: { ceilings: { memory_mib: 16 } } } });
  // It says that it does not take the input once it has more memory than its tenant may have.
  await deploy(agentFile('hostile/manifest/greedy-check'));
  const make = (cron = '0 0 1 1 *') => admin.makeSchedule({ body: { agent: 'greedy', cron, input: { name: 'A' } } });
  await make();
  await admin.putQuarantine({ body: { kind: 'agent', name: 'greedy', reason: 'odd' } });
  await expect(make()).rejects.toMatchObject({ code: 'CORRAL_QUARANTINED' });
  // Nothing is asked of the agent for a time that never comes.
  await expect(make('0 0 30 2 *')).rejects.toMatchObject({ code: 'CORRAL_SCHEDULE_INVALID' });
  expect((await admin.listSchedules({})).items).toHaveLength(1);
});

test('what a tenant and a host hold in memory is bounded as the configuration says, within what nobody may exceed', async () => {
  await expect(
    fileHost({ limits: { runs_in_memory: 50, park_after_ms: 500 }, tenants: { local: { residents: 20, cells: 1 } } }),
  ).resolves.toBeDefined();
  await expect(fileHost({ limits: { cell_memory_mib: 1 } })).rejects.toMatchObject({ code: 'CORRAL_CONFIG_INVALID' });
  await expect(fileHost({ tenants: { local: { residents: 0 } } })).rejects.toMatchObject({ code: 'CORRAL_CONFIG_INVALID' });
});

test('people have as long to decide as the configuration says', async () => {
  const { admin, deploy } = await front({
    configText: JSON.stringify({ policies: 'default', files: { write: await shortFolder() }, limits: { approval_ms: 1_500 } }),
  });
  await deploy(`{ name: 'writer', uses: { write: 'tool:fs.write' }, run: ({ caps }) =>
    caps.write({ path: 'a.txt', text: 'x' }).then(() => 'written', (error) => error.code) }`);
  const { run } = await admin.submitRun({ body: { agent: 'writer' } });
  const ended = await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  expect(ended.outcome).toEqual({ kind: 'completed', output: 'CORRAL_APPROVAL_EXPIRED' });
});

eachOrLong(
  [
    ['residents of its tenant', { tenants: { local: { residents: 2 } } }],
    ['runs in memory of all tenants', { limits: { runs_in_memory: 2 } }],
  ],
  ['residents of its tenant'],
)('no more runs are in memory than the configuration says: %s', async (_, config) => {
  const { admin, deploy } = await front({ configText: JSON.stringify({ tenants: { local: {} }, ...config }) });
  await deploy(SLEEP);
  const runs: string[] = [];
  let most = 0;
  for (let i = 0; i < 8; i++) runs.push((await admin.submitRun({ body: { agent: 'sleeper' } })).run);
  // Every one of them still has its turn.
  for (const run of runs)
    await until(async () => {
      most = Math.max(most, (await admin.ready({})).runs);
      return (await admin.showRun({ params: { run: run as never } })).waiting === 'timer';
    });
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(2);
});

test('a schedule is refused whose input no job may have, and one of a tenant that is taken out is spoken of', async () => {
  const { admin, deploy, write } = await fileHost({ tenants: { local: {}, guests: {} } });
  await deploy(HELLO, { tenant: 'guests' });
  const schedule = (input: Json) => admin.makeSchedule({ body: { tenant: 'guests', agent: 'hello', input, cron: '0 0 1 1 *' } });
  let deep: Json = 'A';
  for (let level = 0; level < JSON_MAX_DEPTH + 1; level += 1) deep = { name: deep };
  await expect(schedule(deep)).rejects.toMatchObject({ code: 'CORRAL_INPUT_INVALID' });
  expect((await admin.listSchedules({})).items).toEqual([]);
  await schedule({ name: 'A' });
  await write({ tenants: { local: {} } });
  expect((await admin.checkConfig({})).notes).toContain(
    'tenants.guests is removed and has 1 schedule, which submits nothing from then on.',
  );
});

test('a tenant that was taken out is told that it is gone, not that its queue is full', async () => {
  const { admin, as, deploy, write } = await fileHost({ tenants: { local: {}, guests: {} } });
  await deploy(HELLO, { tenant: 'guests' });
  const guest = await as('guests', 'developer', 'operator');
  const job = { body: { agent: 'hello', input: { name: 'A' } } };
  await guest.submitRun(job);
  await write({ tenants: { local: {} } });
  await admin.applyConfig({});
  const gone = {
    code: 'CORRAL_TENANT_UNKNOWN',
    status: 404,
    message: expect.stringContaining('does not name tenant guests any more') as string,
  };
  await expect(guest.submitRun(job)).rejects.toMatchObject(gone);
  await write({ tenants: { local: {}, guests: {} } });
  await admin.applyConfig({});
  await expect(guest.submitRun(job)).resolves.toMatchObject({ tenant: 'guests' });
});
