/** Commands on a machine that lacks something: a host, or the secrets of a configuration. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { corral as command } from '../command.ts';
import { front, shortFolder, SLEEP } from '../front.ts';

test('config check checks a configuration where its secrets are not set, and names those and the ones that it does not declare', async () => {
  const config = join(await shortFolder(), 'corral.config.ts');
  await writeFile(
    config,
    `import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
const asking = (name: string, run: any) => tool({ name, description: 'x', input: z.unknown(), output: z.unknown(), run });
// secret('commented_out')
export default defineConfig({ secrets: { truck_key: { env: 'CORRAL_TEST_NO_SUCH_KEY' } }, tools: [
asking('a.one', (_: unknown, { secret }: any) => secret('truck_key')),
asking('a.two', (_: unknown, context: any) => context.secret('truck_kye')),
] });
`,
  );
  const checked = await command(['config', 'check', config]);
  expect(checked.err).toBe('');
  expect(checked.code).toBe(0);
  expect(checked.out.split('\n').filter((line) => line.startsWith('note: '))).toEqual([
    'note: The secret truck_key refers to $CORRAL_TEST_NO_SUCH_KEY, which is not set.',
    'note: corral.config.ts:7 asks for the secret truck_kye, which the configuration does not declare. Did you mean truck_key? Name it in `secrets` of the configuration.',
  ]);
});

test('why says nothing twice of an agent that threw, and reads a folder on which no host runs', { tags: 'long' }, async () => {
  const { data, deploy, host } = await front();
  await deploy(`{ name: 'thrower', run() { throw new Error('out of tea'); } }`);
  await deploy(SLEEP);
  const on = (...args: string[]) => command([...args, '--data', data]);
  const run = (await on('submit', 'thrower')).out.trim();
  const sleeper = (await on('submit', 'sleeper')).out.trim();
  expect((await on('wait', run)).code).toBe(1);
  const said = await on('why', run);
  expect(said.out).toContain('out of tea');
  expect(said.out).not.toMatch(/corral show|RUN/u);
  expect((await on('spend')).out).toMatch(/^nothing was spent; counted are money, tokens and the calls that charge something/u);
  // The hint is for who typed a command, and not for who made a request.
  const long = await on('pause', sleeper, '-m', 'x'.repeat(100_000));
  expect(long).toMatchObject({ code: 2, err: expect.stringMatching(/CORRAL_REQUEST_INVALID[^]*see --help/u) as string });
  await host.close();
  expect(await on('why', run)).toEqual(said);
  expect((await on('why', sleeper)).out).toContain('No host runs on this folder');
  expect((await on('why', sleeper, '--json')).out).toContain(`"run": "${sleeper}"`);
});
