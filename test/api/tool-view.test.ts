/** One tool: who may reach it, who called it, and how it is taken back from all of them at once. */
import { describe, expect, test } from 'vitest';
import type { RouteInput } from '@corral/protocol/api/routes';
import type { RunId } from '@corral/protocol/ids';
import { corral } from '../command.ts';
import { front, sharedFront, shortFolder, type Front } from '../front.ts';
import { until } from '../until.ts';
import { agentFile } from '../agents/file.ts';

const CONFIG = `import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
export default defineConfig({ tenants: { local: {}, other: {} }, policies: 'none', tools: [
  tool({ name: 'pay', description: 'pays', input: z.object({ amount: z.number() }), output: z.string(),
    run: ({ amount }) => { if (amount > 9) throw new Error('too much'); return 'paid'; } }),
  tool({ name: 'wait', description: 'waits', input: z.object({}), output: z.string(), annotations: { idempotent: false },
    run: (_, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve('too late'))) }),
] });`;
const payer = (name: string, amount: number) =>
  `{ name: '${name}', purpose: 'pays ${amount}', uses: { give: 'tool:pay' }, run: async ({ caps, sleep }) => { await caps.give({ amount: ${amount} }).catch(() => 0); await sleep(3600000); } }`;
const WAITER = `{ name: 'waiter', uses: { wait: 'tool:wait' }, run: ({ caps }) => caps.wait({}).catch((error) => error.code) }`;

const shared = sharedFront({ configCode: CONFIG });

async function started({ admin }: Front, agent: string, n: number, tenant = 'local'): Promise<RunId[]> {
  const runs: RunId[] = [];
  for (let i = 0; i < n; i++) runs.push((await admin.submitRun({ body: { agent, tenant } })).run);
  for (const run of runs) await until(async () => (await admin.showRun({ params: { run: run } })).waiting !== 'nothing');
  return runs;
}
const holding = async ({ admin }: Front, query: RouteInput<'listRuns'>['query']) => {
  const { items, total } = await admin.listRuns({ query: { total: 'true', ...query } });
  return [total, items.map(({ run }) => run).toSorted()];
};
const revoke = ({ admin }: Front, body: Omit<RouteInput<'operate'>['body'], 'operation' | 'reason'>) =>
  admin.operate({ body: { operation: 'revoke', reason: 'drill', ...body } });

describe('a tool', () => {
  test('is shown with the versions that declare it, the runs that hold it and the last calls, also at the command line', async () => {
    const made = shared();
    const { admin, deploy, data } = made;
    const first = await deploy(payer('payer', 1), { alias: 'prod' });
    const old = await started(made, 'payer@prod', 1);
    const second = await deploy(payer('payer', 10));
    const runs = [...old, ...(await started(made, 'payer', 2))];
    await until(async () => (await admin.showTool({ params: { tool: 'pay' }, query: {} })).called.length >= 3);
    const shown = await admin.showTool({ params: { tool: 'pay' }, query: {} });
    expect(shown).toMatchObject({
      tenant: 'local',
      tool: 'pay',
      offered: true,
      description: 'pays',
      quarantined: null,
      holding: 3,
      handed: [],
    });
    expect(shown.declared).toEqual([
      { agent: 'payer', version: second, latest: true, aliases: [], as: ['give'], live: 2, holding: 2 },
      { agent: 'payer', version: first, latest: false, aliases: ['prod'], as: ['give'], live: 1, holding: 1 },
    ]);
    expect(shown.called.map(({ run, agent, code }) => `${run} ${agent} ${code}`).toSorted()).toEqual(
      runs.map((run) => `${run} payer ${old.includes(run) ? null : 'CORRAL_TOOL_FAILED'}`).toSorted(),
    );
    expect(await holding(made, { holds: 'pay' })).toEqual([3, runs.toSorted()]);
    expect(await holding(made, { holds: 'pay', version: first })).toEqual([1, old]);
    await admin.operate({ body: { operation: 'kill', target: { run: old[0] as RunId }, reason: 'room' } });
    expect(await holding(made, { holds: 'pay', agent: 'payer' })).toEqual([2, runs.slice(1).toSorted()]);
    const { out } = await corral(['tools', 'who', 'tool:pay', '--tenant', 'local', '--data', data]);
    expect(out).toMatch(
      /declared by\n {2}payer@sha256:\w+ \(latest\), as `give`; 2 of 2 runs hold it[\s\S]*held by 2 runs, 0 calls under way/,
    );
    await admin.putQuarantine({ body: { kind: 'tool', name: 'pay', reason: 'leaks', tenant: 'local' } });
    expect(await admin.showTool({ params: { tool: 'pay' }, query: {} })).toMatchObject({ quarantined: { reason: 'leaks' } });
    await admin.liftQuarantine({ params: { kind: 'tool', name: 'pay' }, query: { reason: 'mended', tenant: 'local' } });
  });

  test('is listed in each tenant for those who see all of them, and in their own for others', async () => {
    const { admin, as } = shared();
    const tenantsOf = async (who: typeof admin, tenant?: string) =>
      (await who.listTools({ query: tenant === undefined ? {} : { tenant } })).items
        .filter(({ tool }) => tool === 'pay')
        .map((one) => one.tenant);
    expect(await tenantsOf(admin, '*')).toEqual(['local', 'other']);
    expect(await tenantsOf(admin)).toEqual(['local']);
    const theirs = await as('other', 'operator');
    expect([await tenantsOf(theirs, '*'), await tenantsOf(theirs)]).toEqual([['other'], ['other']]);
    await expect(tenantsOf(theirs, 'local')).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
  });

  test('that nobody offers, declares or holds is an error, wherever it is named', async () => {
    const { admin } = shared();
    const unknown = { code: 'CORRAL_TOOL_UNKNOWN', status: 404, message: expect.stringMatching(/no tool payy here.*pay/) as string };
    await expect(admin.showTool({ params: { tool: 'payy' }, query: {} })).rejects.toMatchObject(unknown);
    await expect(admin.listRuns({ query: { holds: 'payy' } })).rejects.toMatchObject(unknown);
    await expect(revoke(shared(), { tool: 'payy', target: { all: true }, dryRun: true })).rejects.toMatchObject(unknown);
  });
});

describe('a tool that is taken back', () => {
  test('from all runs of an agent leaves those of others, and those that the preview had not shown, which it names', async () => {
    const made = shared();
    const { deploy } = made;
    await deploy(payer('buyer', 2));
    await deploy(payer('seller', 3));
    const [shown, other] = [await started(made, 'buyer', 2), await started(made, 'seller', 1)];
    const target = { agent: 'buyer', tenant: 'local' };
    await expect(revoke(made, { tool: 'pay', target })).rejects.toMatchObject({ code: 'CORRAL_REQUEST_INVALID' });
    const dry = await revoke(made, { tool: 'pay', target, dryRun: true });
    expect(dry).toMatchObject({ reach: { runs: 2, children: 0, calls: [] }, receipts: [] });
    expect(dry.matched.toSorted()).toEqual(shown.toSorted());
    const late = await started(made, 'buyer', 1);
    await expect(revoke(made, { tool: 'pay', target, preview: '0123456789abcdef' })).rejects.toMatchObject({
      code: 'CORRAL_PREVIEW_STALE',
    });
    const done = await revoke(made, { tool: 'pay', target, preview: dry.preview as string });
    expect(done).toMatchObject({ operation: 'revoke', target: { tool: 'pay', ...target }, beyond: late, refused: [] });
    expect(done.receipts.map(({ run, grants_revoked }) => `${run} ${grants_revoked}`).toSorted()).toEqual(
      shown.map((run) => `${run} 1`).toSorted(),
    );
    expect((await holding(made, { holds: 'pay', agent: ['buyer', 'seller'] }))[1]).toEqual([...late, ...other].toSorted());
    const again = await revoke(made, { tool: 'pay', target: { run: shown[0] as RunId } });
    expect(again).toMatchObject({
      matched: [],
      refused: [{ run: shown[0], code: 'CORRAL_RUN_STATE', detail: `${shown[0]} does not hold pay.` }],
    });
  });

  test('is gone from those to whom its holder had handed it, too', async () => {
    const made = shared();
    const { admin, deploy } = made;
    await deploy(agentFile('grants/hands-its-tool-on'), { tenant: 'other' });
    const [giver] = await started(made, 'giver', 1, 'other');
    const shown = () => admin.showTool({ params: { tool: 'pay' }, query: { tenant: 'other' } });
    await until(async () => (await shown()).handed.length > 0);
    expect(await shown()).toMatchObject({
      declared: [{ agent: 'giver', holding: 1 }],
      handed: [{ agent: 'heir', holding: 1 }],
      holding: 2,
    });
    const done = await revoke(made, { tool: 'pay', target: { run: giver as RunId } });
    expect(done.receipts).toMatchObject([{ run: giver, grants_revoked: 1, calls: [] }]);
    expect(await shown()).toMatchObject({ handed: [], holding: 0 });
  });

  test('aborts the calls under way, of which the receipt says what became, in one tenant and by an operator of it', async () => {
    const made = shared();
    const { admin, as, deploy, data } = made;
    await deploy(WAITER);
    await deploy(WAITER, { tenant: 'other' });
    const [run] = (await started(made, 'waiter', 1)) as [RunId];
    const [theirs] = await started(made, 'waiter', 1, 'other');
    const body = { operation: 'revoke' as const, tool: 'wait', reason: 'drill', target: { all: true as const }, dryRun: true };
    await expect((await as('local', 'developer')).operate({ body })).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
    const seen = await (await as('local', 'operator')).operate({ body });
    expect(seen).toMatchObject({ matched: [run], reach: { calls: [{ tool: 'wait', count: 1 }] } });
    const { out } = await corral(['revoke', '--tool', 'wait', '--tenant', 'local', '-m', 'drill', '--data', data]);
    expect(out).toMatch(new RegExp(`${run} +revoke .*1 grant revoked +1 call aborted[\\s\\S]*call \\d+ to wait of ${run} was aborted`));
    expect((await admin.showRun({ params: { run: run }, query: { wait_ms: 60_000 } })).outcome).toEqual({
      kind: 'completed',
      output: 'CORRAL_REVOKED',
    });
    expect(await holding(made, { holds: 'wait' })).toEqual([1, [theirs]]);
  });
});

test(
  'who holds a tool and who called it is known after a restart, and can be taken back from runs in no memory',
  { tags: 'long' },
  async () => {
    const data = `${await shortFolder()}/d`;
    const before = await front({ configCode: CONFIG, data });
    await before.deploy(payer('payer', 1));
    const [run] = await started(before, 'payer', 1);
    await until(async () => (await before.admin.showRun({ params: { run: run as RunId } })).waiting === 'timer');
    await before.host.close(0);
    const after = await front({ configCode: CONFIG, data });
    expect(await after.admin.showTool({ params: { tool: 'pay' }, query: {} })).toMatchObject({
      holding: 1,
      called: [{ run, code: null }],
    });
    const done = await revoke(after, { tool: 'pay', target: { run: run as RunId } });
    expect(done.receipts).toMatchObject([{ run, grants_revoked: 1 }]);
    expect(await holding(after, { holds: 'pay' })).toEqual([0, []]);
  },
);
