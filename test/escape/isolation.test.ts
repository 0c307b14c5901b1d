/** Isolation: a cell that was taken over learns of no run outside of its household, and households get their turn. */
import { describe, expect, test } from 'vitest';
import { findWalls, ProcessLauncher, type Isolation } from '@corral/supervisor';
import { readingTool, world } from '../world.ts';
import { eachOrLong } from '../tables.ts';
import { takenOverCells } from './fixtures/taken-over.ts';

const CANARY = 'the canary of a sibling';
const walls = findWalls();

/** Whether a run learns the input of another one of its tenant, if every cell is taken over. */
async function learns(isolation: Isolation, attacker: 'same' | 'other'): Promise<unknown> {
  const { commandOf, takeOver } = takenOverCells(walls);
  const launcher = new ProcessLauncher(walls, { commandOf });
  const wait = readingTool('wait', () => new Promise(() => undefined));
  const w = await world([], {
    launcher,
    spares: 0,
    cellsPerTenant: 1,
    tenants: { crew: { tools: [wait], isolation: () => isolation } },
  });
  const deploy = (name: string) => w.deploy(`{ name: '${name}', uses: { wait: 'tool:wait' }, async run({ input }) { return input } }`);
  const [same, other] = [await deploy('same'), await deploy('other')];
  takeOver();
  const sibling = await w.submit(same, { way: 'nothing', later: { way: 'nothing' }, secret: CANARY });
  await w.until(sibling.id, (view) => view?.waiting === 'call');
  const backwards = CANARY.split('').toReversed().join('');
  const { ended } = await w.submit(attacker === 'same' ? same : other, { way: 'hear', backwards });
  const outcome = await ended;
  return outcome.kind === 'completed' ? outcome.output : outcome;
}

describe('a cell that was taken over', () => {
  test.each([
    ['tenant', 'other', true],
    ['agent', 'same', true],
    ['agent', 'other', false],
    ['run', 'same', false],
    ['run', 'other', false],
  ] as const)('with isolation by %s: whether it learns the input of a run of the %s agent is %s', async (isolation, attacker, expected) => {
    expect(await learns(isolation, attacker)).toBe(expected);
  });
});

eachOrLong([['agent'], ['run']] as const, ['agent'])(
  'runs that share a cell only by %s all have their turn, although their tenant has fewer cells than they need',
  async (isolation) => {
    const w = await world([], {
      cellsPerTenant: 2,
      tenants: { crew: { tools: [readingTool('wait', ({ n }) => n)], isolation: () => isolation } },
    });
    const versions = await Promise.all(
      ['a', 'b', 'c', 'd', 'e'].map((name) =>
        w.deploy(
          `{ name: '${name}', uses: { wait: 'tool:wait' }, async run({ caps, input }) { const before = Math.random(); let sum = 0; for (let n = 0; n < 5; n++) sum += await caps.wait({ n }); return [input, sum, before === before] } }`,
        ),
      ),
    );
    const runs = await Promise.all([...versions, ...versions].map((version, i) => w.submit(version, i)));
    const outcomes = await Promise.all(runs.map(({ ended }) => ended));
    expect(outcomes).toEqual(outcomes.map((_, i) => ({ kind: 'completed', output: [i, 10, true] })));
  },
);

test('a run whose tenant is isolated from now on leaves the cell that it shared', async () => {
  let isolation: Isolation = 'tenant';
  const answers: (() => void)[] = [];
  const wait = readingTool('wait', () => new Promise((resolve) => answers.push(() => resolve('go'))));
  const w = await world([], { cellsPerTenant: 2, spares: 0, tenants: { crew: { tools: [wait], isolation: () => isolation } } });
  const deploy = (name: string) =>
    w.deploy(`{ name: '${name}', uses: { wait: 'tool:wait' }, async run({ caps }) { await caps.wait({}); return caps.wait({}) } }`);
  const runs = [await w.submit(await deploy('a')), await w.submit(await deploy('b'))];
  for (const { id } of runs) await w.until(id, (view) => view?.waiting === 'call');
  const cells = () => new Set(runs.map(({ id }) => w.supervisor.cellOf(id)?.id));
  expect(cells().size).toBe(1);
  isolation = 'agent';
  for (const answer of answers.splice(0)) answer();
  for (const { id } of runs) await w.until(id, (view) => view?.calls === 2 && view.waiting === 'call');
  expect(cells().size).toBe(2);
  for (const answer of answers.splice(0)) answer();
  expect(await Promise.all(runs.map(({ ended }) => ended))).toEqual([1, 2].map(() => ({ kind: 'completed', output: 'go' })));
});
