/** The CPU time that deciding a crank takes its host: the run pays for it, and a crank that takes too much ends its run. */
import { expect, test } from 'vitest';
import { Ledger } from '@corral/broker/ledger/ledger';
import { MACHINE } from '@corral/protocol/limits';
import type { Clock } from '@corral/protocol/ports/machine';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Tool } from '@corral/protocol/ports/tool';
import { realClock } from '@corral/supervisor';
import { readingTool, tool, world } from '../world.ts';

/** A clock on which each look at the CPU time finds that a little more of it was used. */
function metered(ms: number): { readonly clock: Clock; readonly cost: { ms: number } } {
  const cost = { ms };
  let used = 0;
  return { clock: { ...realClock, cpu: () => (used += cost.ms) }, cost };
}

const FLOOD = `{ name: 'flood', uses: { look: 'tool:look', keep: 'tool:keep' }, async run({ caps, emit, input }) {
  caps.look({}); caps.keep({});
  for (let i = 0; i < input; i++) emit('drop', i);
  return 'done' } }`;

test('a crank that takes its host too long to decide ends its run, nothing of it leaves, and other runs go on', async () => {
  const made: string[] = [];
  const tools = [readingTool('look', () => made.push('look')), tool('keep', () => made.push('keep'))];
  const { clock, cost } = metered(0);
  const w = await world(tools, { clock });
  const flood = await w.deploy(FLOOD);
  const other = await w.deploy(
    `{ name: 'other', uses: { look: 'tool:look' }, async run({ caps }) { await caps.look({}); return 'seen' } }`,
  );
  cost.ms = 20;
  const { id, ended } = await w.submit(flood, 9_000);
  const beside = await w.submit(other);
  expect(await ended).toMatchObject({
    kind: 'exceeded',
    limit: 'decide',
    message: expect.stringContaining(`more than ${MACHINE.decide_cpu_ms.default} ms`),
  });
  expect(await beside.ended).toEqual({ kind: 'completed', output: 'seen' });
  expect(made).toEqual(['look']);
  const [entry] = await w.store.journal(id);
  expect(entry?.decide_us).toBeGreaterThanOrEqual(MACHINE.decide_cpu_ms.default * 1000);
});

test('a run pays for the time that deciding its cranks takes, also once it is read back from its journal', async () => {
  const { clock, cost } = metered(0);
  const w = await world([], { clock });
  const source = `{ name: 'slow', async run({ emit, sleep, budget }) {
    for (let i = 0; i < 2_000; i++) emit('drop', i);
    await sleep(300);
    return 'slept' } }`;
  const version = await w.deploy(source);
  cost.ms = 3;
  const poor = await w.submit(version, {}, { budget: { cpu_ms: 500 } });
  expect(await poor.ended).toMatchObject({ kind: 'exceeded', limit: 'cpu_total' });
  const { id, ended } = await w.submit(version, {}, { budget: { cpu_ms: 50_000 } });
  await ended;
  const entries = await w.store.journal(id);
  expect(entries[0]?.decide_us).toBeGreaterThan(500_000);
  const record = (await w.store.run(id))?.record as RunRecord;
  const read = (without: boolean) => {
    const ledger = new Ledger(record);
    for (const { decide_us, ...entry } of entries) ledger.apply(without || decide_us === undefined ? entry : { ...entry, decide_us });
    return ledger.spent().cpu_ms;
  };
  const charged = entries.reduce((sum, { decide_us = 0 }) => sum + decide_us / 1000, 0);
  expect(read(false) - read(true)).toBeCloseTo(charged);
});

test('a host that stands still while it decides a short crank does not count that time against the run', async () => {
  let stood_ms = 0;
  const clock: Clock = { ...realClock, monotonic: () => realClock.monotonic() + stood_ms };
  const look = readingTool('look', () => null);
  const input: Tool['input'] = {
    schema: look.input.schema,
    check(value) {
      stood_ms = 2 * MACHINE.decide_cpu_ms.default;
      return look.input.check(value);
    },
  };
  const w = await world([{ ...look, input }], { clock });
  const version = await w.deploy(
    `{ name: 'brief', uses: { look: 'tool:look' }, async run({ caps }) { for (let i = 0; i < 20; i++) caps.look({}); return 'looked' } }`,
  );
  const { id, ended } = await w.submit(version);
  expect(await ended).toEqual({ kind: 'completed', output: 'looked' });
  // So all of it was decided between two looks at the clock (CHARS_AT_ONCE of the broker's draft).
  expect((await w.store.journal(id))[0]?.effects?.length).toBeLessThan(4_096);
});
