import { expect, test } from 'vitest';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { front, onTables } from '../front.ts';
import { until } from '../until.ts';
import { agentFile } from '../agents/file.ts';

const FAMILY = agentFile('family/two-by-two');

type Tree = RouteAnswer<'runTree'>;
const count = (tree: Tree): number => tree.children.reduce((sum, child) => sum + count(child), 1);
const states = (tree: Tree): string[] => [tree.ended_as ?? tree.lifecycle, ...tree.children.flatMap((child) => states(child))];

test(
  'a run is shown with its children and theirs, also after a crash took the list of them away, and all are killed with it',
  { tags: 'long' },
  async () => {
    const first = await front();
    await first.deploy(FAMILY);
    const { run } = await first.admin.submitRun({ body: { agent: 'root' } });
    await until(async () => count(await first.admin.runTree({ params: { run } })) === 7);
    // As it is when the machine stopped before this was on the disk.
    onTables(first.host, 'DELETE FROM runs WHERE parent IS NOT NULL');
    await first.host.close();
    const second = await front({ data: first.data });
    expect(count(await second.admin.runTree({ params: { run } }))).toBe(7);
    expect((await second.admin.listRuns({ query: { parent: run } })).items).toHaveLength(2);
    const { receipts } = await second.admin.operate({ body: { operation: 'kill', target: { run }, reason: 'enough' } });
    expect(receipts).toHaveLength(1);
    const all = (list: (typeof receipts)[number][]): number => list.reduce((sum, one) => sum + 1 + all(one.children), 0);
    expect(all(receipts)).toBe(7);
    await until(async () => states(await second.admin.runTree({ params: { run } })).every((state) => state === 'killed'));
    expect((await second.admin.listRuns({ query: { live: 'true' } })).items).toEqual([]);
  },
);

test('a paused run is found as paused after the host was started again', async () => {
  const first = await front();
  await first.deploy(`{ name: 'sleeper', run: async ({ sleep }) => { await sleep(3600000); } }`);
  const { run } = await first.admin.submitRun({ body: { agent: 'sleeper' } });
  await until(async () => (await first.admin.showRun({ params: { run } })).waiting === 'timer');
  await first.admin.operate({ body: { operation: 'pause', target: { run }, reason: 'look' } });
  await first.host.close();
  const { admin } = await front({ data: first.data });
  expect((await admin.listRuns({ query: { control: 'paused' } })).items).toMatchObject([{ run, control: 'paused', lifecycle: 'active' }]);
  expect(await admin.whyRun({ params: { run } })).toMatchObject({ verdict: 'paused', because: [expect.stringContaining('look')] });
  const body = { operation: 'resume', target: { agent: 'sleeper' }, reason: 'seen' } as const;
  const { preview = '' } = await admin.operate({ body: { ...body, dryRun: true } });
  await admin.operate({ body: { ...body, preview } });
  expect((await admin.listRuns({ query: { control: 'paused' } })).items).toEqual([]);
});

test('a run is paused with all that descends from it, which is listed, told and kept, and goes on with it', async () => {
  const { admin, as, deploy } = await front();
  await deploy(FAMILY);
  const { run } = await admin.submitRun({ body: { agent: 'root' } });
  await until(async () => count(await admin.runTree({ params: { run } })) === 7);
  const operate = (operation: 'pause' | 'resume' | 'kill') =>
    admin.operate({ body: { operation, target: { run }, reason: 'look', family: true } });
  const all = (list: RouteAnswer<'operate'>['receipts']): number => list.reduce((sum, one) => sum + 1 + all(one.children), 0);
  const auditor = await as('local', 'auditor');
  await expect(auditor.operate({ body: { operation: 'pause', target: { run }, reason: 'x', family: true } })).rejects.toMatchObject({
    status: 403,
  });
  // The reach of an operation before anything is done: all below the run where the operation reaches them, and else the run alone.
  const looks = await Promise.all(
    [{ operation: 'kill' as const }, { operation: 'pause' as const, family: true }, { operation: 'pause' as const }].map((which) =>
      admin.operate({ body: { ...which, target: { run }, reason: 'look', dryRun: true } }),
    ),
  );
  expect(looks.map(({ reach }) => reach)).toMatchObject([
    { runs: 7, children: 6 },
    { runs: 7, children: 6 },
    { runs: 1, children: 0 },
  ]);
  expect(all((await operate('pause')).receipts)).toBe(7);
  const paused = (await admin.listRuns({ query: { control: 'paused' } })).items;
  expect(paused).toHaveLength(7);
  const leaf = paused.find(({ agent }) => agent === 'leaf');
  const why = await admin.whyRun({ params: { run: leaf?.run as never } });
  expect(why.because.join()).toContain(`with all that descends from ${run}: look`);
  expect(why.next.join()).toContain(`corral resume ${run} --family`);
  expect(all((await operate('resume')).receipts)).toBe(7);
  expect((await admin.listRuns({ query: { control: 'paused' } })).items).toEqual([]);
  const kept = (await admin.listOperations({ query: {} })).items.filter(({ target }) => JSON.stringify(target).includes(run));
  expect(kept.map(({ operation, family }) => [operation, family])).toEqual([
    ['resume', true],
    ['pause', true],
  ]);
  await expect(operate('kill')).rejects.toMatchObject({ code: 'CORRAL_REQUEST_INVALID' });
});
