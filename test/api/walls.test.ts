/** The walls that a host asks of its machine before it starts. */
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startHost, type HostOptions } from '@corral/server/host';
import { findGroups, findWalls, layersOf, type Walls } from '@corral/supervisor';
import { writeFile } from 'node:fs/promises';
import { shortFolder } from '../front.ts';

const missing = { missing: 'left out on purpose' };
const NONE: Walls = { bubblewrap: missing, user: missing };

async function starts(options: Partial<HostOptions>, tenants = ['crew']): Promise<string> {
  const folder = await shortFolder();
  const config = join(folder, 'corral.config.json');
  await writeFile(config, JSON.stringify({ tenants: Object.fromEntries(tenants.map((name) => [name, {}])) }));
  try {
    const host = await startHost({ data: join(folder, 'd'), config, env: {}, ...options });
    onTestFinished(() => host.close(0));
    return 'it is up';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

test('one wall is enough for one tenant on this machine', async () => {
  expect(await starts({ walls: NONE, port: 0 })).toBe('it is up');
});

test.each([
  ['several tenants', { port: 0 }, ['crew', 'zoo']],
  ['an address beyond this machine', { port: 0, address: '0.0.0.0', plaintext: true }, ['crew']],
])('one wall is not enough for %s, unless somebody says so', async (_, options, tenants) => {
  expect(await starts({ walls: NONE, ...options }, tenants)).toBe('CORRAL_ONE_WALL');
  expect(await starts({ walls: NONE, oneWall: true, ...options }, tenants)).toBe('it is up');
  // Another user is a second wall.
  const user = { id: 65_534, each: false, unshare: undefined, prlimit: undefined, setpriv: undefined };
  expect(await starts({ walls: { ...NONE, user }, ...options }, tenants)).toBe('it is up');
});

test('a host that requires a wall does not start without it', async () => {
  expect(await starts({ walls: NONE, requireWalls: ['bubblewrap'] })).toBe('CORRAL_WALLS_MISSING');
  expect(await starts({ walls: NONE, requireWalls: ['seccomp', 'limits'] })).toBe('CORRAL_WALLS_MISSING');
  expect(await starts({ requireWalls: ['moat'] })).toBe('CORRAL_USAGE');
});

test('a host that requires the walls of this machine starts', async () => {
  const standing = layersOf(findWalls(), findGroups()).filter(({ state }) => state === 'on');
  expect(await starts({ requireWalls: standing.map(({ name }) => name) })).toBe('it is up');
});
