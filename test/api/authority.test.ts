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

test('that an agent may run programs is part of its authority, and a program of it has what it was handed', async () => {
  const { admin, deploy, data } = await front({ configText: JSON.stringify({ files: { read: await shortFolder() } }) });
  await deploy(agentFile('programs/lists-by-program'));
  const { run } = await admin.submitRun({ body: { agent: 'lister' } });
  let program: string | undefined;
  await until(async () => (program = (await admin.runTree({ params: { run } })).children[0]?.run) !== undefined);
  expect(await admin.runAuthority({ params: { run } })).toMatchObject({ spawns: [], code: true });
  const authority = await admin.runAuthority({ params: { run: program as never } });
  expect(authority).toMatchObject({ spawns: [], code: false });
  expect(authority.reaches.map(({ alias, name }) => [alias, name])).toEqual([
    ['', program],
    ['list', 'fs.list'],
  ]);
  const shown = await admin.showRun({ params: { run: program as never } });
  expect(shown.program).toMatchObject({
    digest: expect.stringMatching(/^sha256:/) as string,
    bytes: 'await sleep(1e9)'.length,
    source: 'await sleep(1e9)',
  });
  const [said, text, inspected] = await Promise.all([
    corral(['authority', 'lister', '--data', data]),
    corral(['show', program as never, '--data', data]),
    corral(['authority', run, '--data', data]),
  ]);
  expect(said.out).toMatch(/code +programs that it makes, which reach no more than it does, as `spawn\.code` of lister/);
  expect(text.out).toMatch(/program +sha256:[0-9a-f]{64}, 16 bytes\n +1 await sleep\(1e9\)/);
  expect(inspected.out).toMatch(/may run programs that it makes, with no more than the above/);
});
