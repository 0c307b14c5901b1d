/** Control groups around cells: who is in them, what they say, and that they go with their host. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { findWalls, ProcessLauncher } from '@corral/supervisor';
import { CellGroups, type CellGroup } from '@corral/supervisor/host/cgroups';
import { findGroups, type GroupPlace } from '@corral/supervisor/host/group-place';
import { readingTool, world } from '../world.ts';
import { until } from '../until.ts';

const found = findGroups();
const HOLDER = fileURLToPath(new URL('./fixtures/group-holder.ts', import.meta.url));
const MIB = 1024 * 1024;

/** Names of the groups that a host's process made. */
const groupsOf = (place: GroupPlace, pid: number): string[] =>
  [...new Set(Object.values(place.folders))].flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => new RegExp(`^corral-\\d+-${pid}-`).test(name))
      .map((name) => join(folder, name)),
  );

describe.skipIf('missing' in found)('control groups', () => {
  const place = found as GroupPlace;

  test('hold each cell with limits of its own, and are gone once the host has stopped', async () => {
    const groups = new CellGroups(place, { cell_memory_mib: 512, cores: 2 });
    const launcher = new ProcessLauncher(findWalls(), { groups });
    const w = await world([readingTool('wait', () => new Promise(() => undefined))], { launcher, spares: 0 });
    const { id } = await w.submit(await w.deploy(`{ name: 'a', uses: { wait: 'tool:wait' }, run: ({ caps }) => caps.wait({}) }`));
    await w.until(id, (view) => view?.waiting === 'call');
    const pid = w.supervisor.cellOf(id)?.pid as number;
    const cells = groupsOf(place, process.pid).flatMap((folder) =>
      readdirSync(folder)
        .filter((name) => name.startsWith('cell-'))
        .map((name) => join(folder, name)),
    );
    const mine = cells.filter((folder) => readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').includes(String(pid)));
    expect(mine.length).toBe(new Set(Object.values(place.folders)).size);
    const limitOf = (one: string, two: string) =>
      mine
        .flatMap((folder) => [one, two].map((file) => join(folder, file)))
        .filter((file) => existsSync(file))
        .map((file) => readFileSync(file, 'utf8').trim());
    expect(limitOf('memory.limit_in_bytes', 'memory.max')).toEqual([String((512 + 128) * MIB)]);
    expect(limitOf('pids.max', 'pids.max').at(0)).toBe('72');
    await w.close();
    await until(() => groupsOf(place, process.pid).length === 0, 'the groups are gone');
    expect(w.supervisor.cells()).toEqual([]);
  });

  // They had one group between them, and the first that stopped removed what the other had just made.
  test('of two hosts in one process are apart, and those of one stay when the other has stopped', async () => {
    const [one, two] = [0, 1].map(() => new CellGroups(place, { cell_memory_mib: 512, cores: 2 }).next()) as [CellGroup, CellGroup];
    const [first, second] = [0, 1].map(() => spawn('sleep', ['1000'], { stdio: 'ignore' })) as [ChildProcess, ChildProcess];
    onTestFinished(() => void [first, second].map((child) => child.kill('SIGKILL')));
    await one.add(first.pid as number);
    await two.add(second.pid as number);
    const holding = (pid: number | undefined) =>
      groupsOf(place, process.pid).filter((folder) =>
        readdirSync(folder).some(
          (name) =>
            name.startsWith('cell-') &&
            readFileSync(join(folder, name, 'cgroup.procs'), 'utf8')
              .split('\n')
              .includes(String(pid)),
        ),
      );
    expect(holding(first.pid).filter((folder) => holding(second.pid).includes(folder))).toEqual([]);
    const own = holding(second.pid);
    first.kill('SIGKILL');
    await once(first, 'exit');
    one.remove();
    await until(() => holding(first.pid).length === 0);
    expect(holding(second.pid)).toEqual(own);
    second.kill('SIGKILL');
    await once(second, 'exit');
    two.remove();
    await until(() => groupsOf(place, process.pid).length === 0, 'the groups are gone');
  });

  test('of a host that was killed are removed by the next one, with what still runs in them', async () => {
    const holder = spawn(process.execPath, [HOLDER], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void holder.kill('SIGKILL'));
    const [said] = (await once(holder.stdout, 'data')) as [Buffer];
    const left = Number(said.toString());
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    const pid = holder.pid as number;
    expect(groupsOf(place, pid).length).toBeGreaterThan(0);
    expect(existsSync(`/proc/${left}`)).toBe(true);
    await until(() => {
      // A group can be removed a moment after its last process has ended.
      void new CellGroups(place, { cell_memory_mib: 512, cores: 2 });
      return groupsOf(place, pid).length === 0;
    }, 'the groups are gone');
    await until(() => !/^State:\s+[^Z]/m.test(statusOf(left)), 'the process has ended');
    expect(groupsOf(place, pid)).toEqual([]);
  });
});

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}
