/** A process in a cell's place that speaks the wire badly: it is closed, its runs are kept, and nobody else notices. */
import { describe, expect } from 'vitest';
import { until } from '../until.ts';
import { eachOrLong } from '../tables.ts';
import { hostWith } from './fixtures/bad-cells.ts';

describe('a process in a cell’s place that', () => {
  eachOrLong(
    [
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
    ],
    ['floods the host with frames', 'speaks for runs of others', 'dies in the middle of a frame'],
  )('%s is closed, and its run ends as it says or goes on elsewhere', async (way, expected) => {
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
