/** The most that a run could ever reach, and why, through the front door and at the command line. */
import { expect, test } from 'vitest';
import { corral } from '../command.ts';
import { front, shortFolder } from '../front.ts';
import { until } from '../until.ts';
import { agentFile } from '../agents/file.ts';

const CREW = agentFile('family/crew-that-writes');

test('a run’s authority names each grant with the chain it was derived from, and stops with it', async () => {
  const write = await shortFolder();
  const { admin, deploy } = await front({ configText: JSON.stringify({ files: { write } }) });
  await deploy(CREW);
  const { run } = await admin.submitRun({ body: { agent: 'crew' } });
  let child: string | undefined;
  await until(async () => (child = (await admin.runTree({ params: { run } })).children[0]?.run) !== undefined);
  const authority = await admin.runAuthority({ params: { run: child as never } });
  const tool = authority.reaches.find(({ kind }) => kind === 'tool');
  expect(tool).toMatchObject({ name: 'fs.write', alias: 'write', offered: true, works: true });
  expect(tool?.chain[0]).toMatchObject({ holder: child, where: { path: { prefix: 'out/' } }, uses: 3, used: 0 });
  expect(tool?.chain.at(-1)).toMatchObject({ holder: run, where: {}, uses: null });
  expect((await admin.runAuthority({ params: { run } })).spawns).toEqual(['helper']);
  const works = async () => (await admin.runAuthority({ params: { run: child as never } })).reaches.some((one) => one.works);
  await admin.putQuarantine({ body: { kind: 'tool', name: 'fs.write', reason: 'leaking' } });
  expect((await admin.runAuthority({ params: { run } })).reaches.find(({ kind }) => kind === 'tool')).toMatchObject({ works: false });
  await admin.operate({ body: { operation: 'kill', target: { run }, reason: 'enough' } });
  expect(await works()).toBe(false);
});

test('an agent’s authority covers what it may start, and two versions are compared', async () => {
  const folder = await shortFolder();
  const { admin, deploy, data } = await front({ configText: JSON.stringify({ files: { write: folder, read: folder } }) });
  const version = await deploy(CREW);
  await admin.moveAlias({ params: { agent: 'crew', alias: 'prod' }, body: { version: version } });
  await deploy(agentFile('family/crew-that-reads-too'));
  const said = await corral(['authority', 'crew@prod', '--data', data]);
  expect(said.out.split('\n').slice(0, 2)).toEqual([
    expect.stringMatching(/^fs\.write .*as `write` of crew$/),
    expect.stringMatching(/^fs\.write .*as `write` of helper$/),
  ]);
  const diff = await corral(['authority', 'crew', '--diff', 'prod', 'latest', '--data', data]);
  expect(diff.out.trim()).toMatch(/^\+ fs\.read +reads.*as `read` of crew$/);
});
