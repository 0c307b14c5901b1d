/** AsyncLocalStorage in an isolate tells what Node's own tells, in the same program. */
import * as hooks from 'node:async_hooks';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { agentFile } from '../agents/file.ts';
import { FRAMES, interpreter, WAITS, type Hooks, type Program } from '../agents/contexts/programs.ts';
import { front } from '../front.ts';

const PROGRAMS = 100;
const { program } = fc.letrec<{ program: Program }>((tie) => ({
  program: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({ wait: fc.constantFrom(...WAITS), other: fc.integer({ min: 0, max: 9 }) }),
    fc.record({
      frame: fc.constantFrom(...FRAMES),
      value: fc.integer({ min: 10, max: 99 }),
      body: fc.array(tie('program'), { maxLength: 3 }),
    }),
  ),
}));
/** Each wait under a third of the frames, and each frame in each. */
const EACH: readonly Program[] = FRAMES.flatMap((frame, i) => [
  ...WAITS.filter((_, j) => (i + j) % 3 === 0).map((wait, j): Program => ({ frame, value: i, body: [{ wait, other: j }] })),
  ...FRAMES.map((inner, j): Program => ({ frame, value: i, body: [{ frame: inner, value: 100 + j, body: [{ wait: 'null', other: 1 }] }] })),
]);

test('storages have the same values in an isolate as in Node, in every program, live and replayed', async () => {
  const f = await front({ configCode: `export default { policies: 'none' }` });
  await f.deploy(agentFile('contexts/agent'));
  const { all } = interpreter(hooks as unknown as Hooks);
  const drawn = fc.sample(program, PROGRAMS);
  for (const programs of [EACH, drawn]) {
    const { run } = await f.admin.submitRun({ body: { agent: 'contexts', input: programs } });
    const { outcome } = await f.admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
    expect(outcome).toEqual({ kind: 'completed', output: expect.anything() as unknown });
    const { output } = outcome as { readonly output: readonly unknown[] };
    const expected = await all(programs);
    for (const [i, one] of programs.entries()) expect({ program: one, trace: output[i] }).toEqual({ program: one, trace: expected[i] });
    expect(await f.admin.replayRun({ params: { run }, body: {} })).toMatchObject({ matches: true, difference: null });
  }
});

test('an error after an await has the positions of the author’s code, and no frame of the isolate’s', async () => {
  const f = await front({ configCode: `export default { policies: 'none' }` });
  await f.deploy(agentFile('contexts/throws'));
  const { run } = await f.admin.submitRun({ body: { agent: 'throws', input: {} } });
  const { outcome } = await f.admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  expect(outcome).toMatchObject({
    kind: 'failed',
    message: 'too deep',
    stack: expect.stringMatching(/^RangeError: too deep\n +at agent\.js:2:\d+/) as string,
  });
  expect(outcome).not.toMatchObject({ stack: expect.stringContaining('prelude') as string });
});

// Bug agents-sdk: in Node `run` calls `enterWith`; in workerd, for which packages are bundled, it does not, and they rely on it.
test('a package may override enterWith by a call of run', async () => {
  const f = await front({ configCode: `export default { policies: 'none' }` });
  await f.deploy(agentFile('contexts/overrides'));
  const { run } = await f.admin.submitRun({ body: { agent: 'overrides', input: {} } });
  expect(await f.admin.showRun({ params: { run }, query: { wait_ms: 60_000 } })).toMatchObject({
    outcome: { kind: 'completed', output: 'inner' },
  });
});
