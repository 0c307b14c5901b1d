/** A process in a cell's place that speaks the wire badly: it is closed, its runs are kept, and nobody else notices. */
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { CellLauncher, CellProcess, CellProcessEvents } from '@corral/protocol/ports/machine';
import { findWalls, ProcessLauncher } from '@corral/supervisor';
import { until } from '../until.ts';
import { world } from '../world.ts';

const BAD = fileURLToPath(new URL('fixtures/bad-cell.mjs', import.meta.url));

/** Launches real cells; while `ways` has some, the next one speaks badly in that way. */
class Mixed implements CellLauncher {
  readonly #real = new ProcessLauncher(findWalls());
  readonly bad = new Set<CellProcess>();
  way: string | undefined;

  launch(events: CellProcessEvents): CellProcess {
    const { way } = this;
    if (way === undefined) return this.#real.launch(events);
    this.way = undefined;
    const commandOf = () => ({ command: process.execPath, args: [BAD, way], statusDescriptor: undefined, forks: false });
    const cell = new ProcessLauncher(findWalls(), { commandOf }).launch(events);
    this.bad.add(cell);
    return cell;
  }
}

const ECHO = `{ name: 'echo', async run({ input }) { return input } }`;

/** A host whose only spare cell is a bad one. */
async function hostWith(way: string) {
  const launcher = new Mixed();
  const w = await world([], { launcher, cellsPerTenant: 1, spares: 1 });
  const version = await w.deploy(ECHO, 'crew');
  const beside = await w.deploy(ECHO, 'zoo');
  launcher.way = way;
  // Bundles are looked at in cells of their own. The next cell that starts is the bad one.
  await until(() => w.supervisor.cells().every(({ tenant }) => tenant === undefined));
  for (let i = 0; launcher.way !== undefined; i++) {
    const { id, ended } = await w.submit(beside, i, { tenant: 'zoo' });
    expect([id, await ended]).toEqual([id, { kind: 'completed', output: i }]);
  }
  return { w, launcher, version, beside };
}

describe('a process in a cell’s place that', () => {
  test.each([
    ['floods the host with frames', { kind: 'failed', code: 'CORRAL_CELL_PROTOCOL' }],
    ['floods the host with answers', {}],
    ['floods its error output', { kind: 'completed', output: { text: 'x' } }],
    ['answers a byte at a time, without end', { kind: 'exceeded', limit: 'crank_wall' }],
    ['says that a crank differs from a replay', { kind: 'failed', code: 'CORRAL_CELL_PROTOCOL' }],
    ['says that a crank was a replay', { kind: 'failed', code: 'CORRAL_CELL_PROTOCOL' }],
    ['reports a bundle that does not load after it has run', { kind: 'failed', code: 'CORRAL_CELL_PROTOCOL' }],
    ['speaks for runs of others', { kind: 'failed', code: 'CORRAL_CELL_PROTOCOL' }],
    ['answers what it has not read', { kind: 'failed', code: 'CORRAL_CELL_PROTOCOL' }],
    ['never reads', { kind: 'exceeded', limit: 'crank_wall' }],
    ['dies in the middle of a frame', { kind: 'completed', output: { text: 'x' } }],
  ])('%s is closed, and its run ends as it says or goes on elsewhere', { timeout: 60_000 }, async (way, expected) => {
    const { w, launcher, version, beside } = await hostWith(way);
    const [bad] = launcher.bad;
    // More than the operating system takes for a process that does not read.
    const text = 'x'.repeat(way === 'answers what it has not read' ? 1_000_000 : 1);
    const { ended } = await w.submit(version, { text }, { tenant: 'crew' });
    for (let i = 0; i < 3; i++)
      expect(await (await w.submit(beside, i, { tenant: 'zoo' })).ended).toEqual({ kind: 'completed', output: i });
    const outcome = await ended;
    expect(outcome).not.toMatchObject({ output: 'forged' });
    expect(outcome).toMatchObject(expected);
    await until(() => bad?.pid === undefined);
    expect(await (await w.submit(version, 'after', { tenant: 'crew' })).ended).toEqual({ kind: 'completed', output: 'after' });
  });
});
