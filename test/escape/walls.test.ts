/** The operating system's walls, tried from inside by code that is not in an isolate (invariant 2). */
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import type { Duplex, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SqliteStore } from '@corral/store/sqlite';
import { ProcessLauncher } from '@corral/supervisor';
import { cellCommand, findWalls, osWall, type Walls } from '@corral/supervisor/host/walls';
import { world } from '../world.ts';
import { inCellsPlace } from './fixtures/taken-over.ts';

const BURGLAR = fileURLToPath(new URL('./fixtures/burglar.mjs', import.meta.url));
const here = findWalls();

/**
 * The cell's own command line, with a burglar in the cell's place and Node's permission model left out.
 * @param become the user a cell gives itself up to be, before any guest is loaded
 */
async function burgle(walls: Walls, become?: number): Promise<{ uid: number; found: string[] }> {
  // Not below this test's own folder, which another user may not be able to reach in the first place.
  const folder = await mkdtemp(join(tmpdir(), 'corral-escape-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const store = await SqliteStore.open(join(folder, 'data'));
  onTestFinished(() => store.close());
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());

  const { command, args, statusDescriptor, filter } = cellCommand(walls);
  // A folder that everybody may write to, as /tmp is.
  const open = await mkdtemp(join(tmpdir(), 'corral-open-'));
  onTestFinished(() => rm(open, { recursive: true, force: true }));
  await chmod(open, 0o777);
  const task = JSON.stringify({ folder, temporary: open, parent: process.pid, port: (server.address() as AddressInfo).port, become });
  const child = spawn(command, [...inCellsPlace(args, BURGLAR), task], {
    stdio: [
      'ignore',
      'ignore',
      'pipe',
      'pipe',
      ...[statusDescriptor, filter].filter((one) => one !== undefined).map(() => 'pipe' as const),
    ],
    env: {},
    cwd: '/',
  });
  if (filter !== undefined) (child.stdio[filter.descriptor] as Writable).end(filter.program);
  let said = '';
  let complained = '';
  (child.stdio[3] as Duplex).setEncoding('utf8').on('data', (text: string) => (said += text));
  child.stderr?.on('data', (text: Buffer) => (complained += text.toString()));
  onTestFinished(() => void child.kill('SIGKILL'));
  const code = await new Promise((resolve) => child.on('close', resolve));
  if (said === '') throw new Error(`exit code ${String(code)} ${complained}`);
  return JSON.parse(said) as { uid: number; found: string[] };
}

// Bug bwrap-in-the-start-folder: a program called bwrap in whatever folder the host was started from would have been run by it, as root where that is root.
test('walls are built with programs of absolute folders only', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'corral-path-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'bwrap'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  expect(findWalls(folder).bubblewrap).toMatchObject({ path: join(folder, 'bwrap') });
  expect(findWalls(relative(process.cwd(), folder)).bubblewrap).toEqual({ missing: 'bwrap is not installed' });
});

describe('code run directly in the place of a cell', () => {
  test.runIf(osWall(here) === 'bubblewrap')('finds no way out through bubblewrap, without the filter of system calls', async () => {
    if (!('path' in here.bubblewrap)) throw new Error('no bubblewrap');
    const bubblewrap = { ...here.bubblewrap, seccomp: { missing: 'left out on purpose' } };
    expect((await burgle({ ...here, bubblewrap })).found).toEqual([]);
  });

  test.runIf('seccomp' in here.bubblewrap && here.bubblewrap.seccomp === 'on')('does not get as far behind the filter', async () => {
    await expect(burgle(here)).rejects.toThrow(/exit code 159/);
  });

  test.runIf(process.platform === 'linux' && process.getuid?.() === 0)(
    'as another user reaches neither the data folder nor the supervisor nor the network',
    async () => {
      const walls = { ...here, bubblewrap: { missing: 'left out on purpose' } };
      // Each is another user, where this machine has enough users.
      const [one, two] = [1, 2].map((nth) => Number(cellCommand(walls, nth).args.at(-1)));
      expect(one).toBeGreaterThanOrEqual(65_534);
      expect(two !== one).toBe('each' in walls.user && walls.user.each);
      const { uid, found } = await burgle(walls, one);
      expect(uid).toBe(one);
      for (const way of [
        'read the data folder',
        'list the data folder',
        'open the data folder’s database',
        'write the data folder',
        'write beside it',
        'signal the supervisor',
        'connect to the host',
        'connect abroad',
        'resolve a name',
        'mount',
        'make a device',
        'see other processes',
        'become root again',
        'hold what the supervisor has open',
        'start seventy processes',
        'open a hundred files',
        'leave its memory on the disk',
      ]) {
        expect(found).not.toContain(way);
      }
    },
  );

  test('finds many ways out where no wall stands: the burglar is no straw man', async () => {
    const { found } = await burgle({ bubblewrap: { missing: 'left out on purpose' }, user: { missing: 'left out on purpose' } });
    for (const way of [
      'read the data folder',
      'open the data folder’s database',
      'read /etc/passwd',
      'signal the supervisor',
      'connect to the host',
      'run a program',
      'start seventy processes',
      'open a hundred files',
    ])
      expect(found).toContain(way);
  });
});

describe.runIf(process.platform === 'linux' && process.getuid?.() === 0)('a host whose cells are other users', () => {
  test('runs agents in them, each in one of its own, and proves what it kills', async () => {
    const walls: Walls = { ...here, bubblewrap: { missing: 'left out on purpose' } };
    const w = await world([], { launcher: new ProcessLauncher(walls), cellsPerTenant: 1, spares: 0 });
    const spin = await w.deploy(`{ name: 'spin', ceilings: { crank_cpu_ms: 10000 }, async run() { for (;;) {} } }`);
    const runs = await Promise.all(['crew', 'zoo'].map((tenant) => w.submit(spin, {}, { tenant })));
    for (const { id } of runs) await w.until(id, (view) => view?.lifecycle === 'active');
    const pids = runs.map(({ id }) => w.supervisor.cellOf(id)?.pid as number);
    const owners = await Promise.all(pids.map(async (pid) => (await stat(`/proc/${pid}`)).uid));
    expect(new Set(owners).size).toBe('each' in walls.user && walls.user.each ? 2 : 1);
    expect(owners).not.toContain(0);
    for (const { id } of runs)
      expect(await w.supervisor.control.kill(id, 'ana', 'enough')).toMatchObject({ lifecycle: 'ended', cell_killed: true });
    for (const pid of pids) await expect(stat(`/proc/${pid}`)).rejects.toThrow(/ENOENT/);
    expect(await w.run(`{ name: 'a', async run() { return 1 } }`)).toEqual({ kind: 'completed', output: 1 });
  });
});

test.runIf(process.platform === 'linux')('where the machine has no memory left, the kernel ends cells before their host', async () => {
  const w = await world([], { spares: 0 });
  const { id } = await w.submit(await w.deploy(`{ name: 'spin', ceilings: { crank_cpu_ms: 10000 }, async run() { for (;;) {} } }`));
  await w.until(id, (view) => view?.on_cpu === true);
  const score = async (pid: number) => Number(await readFile(`/proc/${pid}/oom_score_adj`, 'utf8'));
  expect(await score(w.supervisor.cellOf(id)?.pid as number)).toBe(1000);
  expect(await score(process.pid)).toBeLessThan(1000);
  await w.supervisor.control.kill(id, 'ana', 'enough');
});
