/** Deployments of agents, and what becomes of names that others start by. */
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { corral } from '../command.ts';
import { front } from '../front.ts';

const IMPORTS = (name: string, more = '') => `import { defineAgent } from '@corral/guest';
import reader from './reader.ts';
export default defineAgent({ name: '${name}', spawns: { reader }, run: async ({ spawn }) => { ${more} await spawn(reader, {}).ended; } });`;
const READER = (said: string) => `import { defineAgent } from '@corral/guest';
export default defineAgent({ name: 'reader', run: () => '${said}' });`;

// Bug import-makes-latest: a bundle that imported an agent made its own copy the agent's `latest`, and moved the alias too.
test('an agent that another deployment imports stays what its own deployment made it, and the deploy says so', async () => {
  const { admin, data } = await front();
  const folder = dirname(data);
  const deploy = async (file: string, text: string, ...more: string[]) => {
    await writeFile(join(folder, file), text);
    const { code, out, err } = await corral(['deploy', join(folder, file), '--data', data, ...more]);
    expect([code, err]).toEqual([0, '']);
    return out;
  };
  const said = async (ref = 'reader') => {
    const { run } = await admin.submitRun({ body: { agent: ref } });
    const { outcome } = await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
    return (outcome as { readonly output: string }).output;
  };
  expect(await deploy('reader.ts', READER('own'), '--alias', 'prod')).not.toContain('stays');
  await writeFile(join(folder, 'reader.ts'), READER('imported'));
  const out = await deploy('boss.ts', IMPORTS('boss'), '--alias', 'prod');
  expect(out).toMatch(/^boss {2}sha256:\w{64} {2}prod\nreader {2}sha256:(\w{64})\n/);
  expect(out).toMatch(
    / {2}reader@latest stays at sha256:\w+…: the agent is deployed with reader; `corral alias reader latest sha256:\w{64}` moves it/,
  );
  expect(out).toMatch(/ {2}reader@prod stays at /);
  expect([await said(), await said('reader@prod')]).toEqual(['own', 'own']);
  // The version is there for who names it, and what the sentence says moves the alias.
  const [, version = ''] = /`corral alias reader latest (sha256:\w{64})`/.exec(out) ?? [];
  expect(await said(`reader@${version}`)).toBe('imported');
  expect((await corral(['alias', 'reader', 'latest', version, '--data', data])).code).toBe(0);
  expect(await said()).toBe('imported');
  // An alias that the agent does not have is not made, and its own deployment moves its names again.
  expect(await deploy('boss.ts', IMPORTS('other', 'void 0;'), '--alias', 'next')).toContain('reader@next is not made');
  expect(await deploy('reader.ts', READER('newest'))).not.toContain('stays');
  expect(await said()).toBe('newest');
});

test('children of a deployment move with it, and an agent that is new belongs to the first deployment that has it', async () => {
  const { admin, deploy } = await front();
  const family = (text: string) => `import { defineAgent } from '@corral/guest';
const reader = defineAgent({ name: 'reader', run: () => '${text}' });
export default defineAgent({ name: 'boss', spawns: { reader }, run: () => '${text}' });`;
  const latest = async () => (await admin.showAgent({ params: { agent: 'reader' } })).latest;
  await deploy(family('one'));
  const first = await latest();
  await deploy(family('two'));
  expect(await latest()).not.toBe(first);
});
