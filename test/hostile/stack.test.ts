/** How deep a stack goes depends on what V8 has compiled: an overflow ends the run, and what is below the limit replays. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { patientClock } from '../clock.ts';
import { gate, readingTool, sharedWorld, world } from '../world.ts';
import { until } from '../until.ts';
import { eachOrLong } from '../tables.ts';

/** Enough CPU time that a slow machine, too, comes to the end of the stack first. */
const AMPLE = { crank_cpu_ms: 10_000 };

const OVERFLOWS = [
  ['counts how deep it comes', `let depth = 0; const down = () => { depth += 1; down() }; try { down() } catch {} return depth`],
  ['only catches it', `const down = () => down() + 1; try { down() } catch (error) { return error.message }`],
  ['does not catch it', `const down = () => down() + 1; return down()`],
  ['meets it while it passes many arguments', `try { Math.max(...new Array(2e6)) } catch {} return 1`],
  ['meets it in the parser', `try { eval('('.repeat(5e6)) } catch {} return 1`],
  ['meets it in a getter', `const o = { get a() { return this.a } }; try { o.a } catch {} return 1`],
  ['meets it in a proxy', `const p = new Proxy({}, { get: (t, k, r) => r[k] }); try { p.x } catch {} return 1`],
  ['meets it while it sorts', `const sort = () => [2, 1].sort(() => sort()); try { sort() } catch {} return 1`],
  [
    'meets it in a promise',
    `const down = () => down() + 1; Promise.resolve().then(() => { try { down() } catch {} }); await null; await null; return 1`,
  ],
] as const;

// Bug stack-depth: recursion that was caught showed the tier of V8's compiler; honest runs that looked ended as diverged after they were parked.
describe('in a cell with others', () => {
  const held = new Map<string, () => void>();
  const wait = readingTool('wait', (_, { run }) => new Promise((resolve) => held.set(run, () => resolve('open'))));
  const host = sharedWorld([wait], { cellsPerTenant: 1, clock: patientClock });

  eachOrLong(OVERFLOWS, ['only catches it', 'does not catch it', 'meets it in a promise'])(
    'a run that %s ends for its stack, and its neighbour in the cell loses nothing',
    async (_, body) => {
      const w = host();
      const waits = `{ name: 'b', uses: { wait: 'tool:wait' }, async run({ caps }) { const before = Math.random(); const said = await caps.wait({}); return [said, before === before] } }`;
      const neighbour = await w.submit(await w.deploy(waits));
      await w.until(neighbour.id, (view) => view?.waiting === 'call');
      const { id, ended } = await w.submit(await w.deploy(`{ name: 'a', async run() { ${body} } }`), {}, { ceilings: AMPLE });
      expect(await ended).toMatchObject({ kind: 'exceeded', limit: 'stack', message: expect.stringContaining('nested deeper') as string });
      // None of the crank's effects left.
      expect((await w.store.journal(id)).some(({ effects }) => effects?.includes('finish') === true)).toBe(false);
      // The next one in the tenant is judged by its own stack.
      expect(await (await w.submit(await w.deploy(`{ name: 'c', async run() { return 'fine' } }`))).ended).toEqual({
        kind: 'completed',
        output: 'fine',
      });
      await until(() => held.has(neighbour.id), 'the call of the neighbour has begun');
      held.get(neighbour.id)?.();
      expect(await neighbour.ended).toEqual({ kind: 'completed', output: ['open', true] });
    },
  );
});

test('a run that overflows its stack again and again ends each time, in whatever cell', { tags: 'long' }, async () => {
  const w = await world([], { cellsPerTenant: 1, clock: patientClock });
  const version = await w.deploy(`{ name: 'a', async run() { const down = () => down() + 1; try { down() } catch {} return 1 } }`);
  for (let i = 0; i < 4; i++)
    expect(await (await w.submit(version, {}, { ceilings: AMPLE })).ended).toMatchObject({ kind: 'exceeded', limit: 'stack' });
});

test('a run whose crank has ended its cell is tried again in cells of its own, so its neighbour loses one cell alone', async () => {
  let calls = 0;
  const w = await world([readingTool('read', () => (calls += 1))], { cellsPerTenant: 1, maxCells: 4, clock: patientClock });
  const reads = `{ name: 'b', uses: { read: 'tool:read' }, async run({ caps }) { for (;;) await caps.read({}) } }`;
  await w.submit(await w.deploy(reads), {}, { budget: { calls: 1_000_000 } });
  await until(() => calls > 10, 'the neighbour reads');
  const deep = await w.deploy(`{ name: 'a', async run() { const down = () => down() + 1; return down() } }`);
  let most = 0;
  const watch = setInterval(() => {
    const cells = w.supervisor.cellDetails().filter(({ tenant, state }) => tenant !== undefined && state !== 'ending');
    most = Math.max(most, cells.length);
  }, 1);
  onTestFinished(() => clearInterval(watch));
  expect(await (await w.submit(deep, {}, { ceilings: AMPLE })).ended).toMatchObject({ kind: 'exceeded', limit: 'stack' });
  const then = calls;
  await until(() => calls > then + 10, 'the neighbour goes on');
  // The tenant has one cell, unless one of its runs must have a cell of its own.
  expect(most).toBe(2);
});

test('a run that nests calls as deep as it may is replayed like the first time', async () => {
  const { opened, open } = gate();
  const w = await world([readingTool('wait', () => opened.then(() => 'open'))]);
  const { id, ended } = await w.submit(
    await w.deploy(
      `{ name: 'a', uses: { wait: 'tool:wait' }, async run({ caps }) { const sum = (n) => n === 0 ? 0 : n + sum(n - 1); const before = sum(6000); await caps.wait({}); return [before, sum(6000)] } }`,
    ),
    {},
    { ceilings: AMPLE },
  );
  await w.until(id, (view) => view?.waiting === 'call');
  const pid = w.supervisor.cellOf(id)?.pid;
  process.kill(pid as number, 'SIGKILL');
  open();
  expect(await ended).toEqual({ kind: 'completed', output: [18_003_000, 18_003_000] });
});

test('a bundle that overflows its stack while it loads is refused, and the host goes on', async () => {
  const w = await world([]);
  const deep = `{ name: (() => { const down = () => down() + 1; try { down() } catch {} return 'a' })(), async run() { return 1 } }`;
  await expect(w.deploy(deep)).rejects.toMatchObject({ code: expect.stringMatching(/^CORRAL_/) as string });
  expect(await (await w.submit(await w.deploy(`{ name: 'c', async run() { return 'fine' } }`))).ended).toEqual({
    kind: 'completed',
    output: 'fine',
  });
});
