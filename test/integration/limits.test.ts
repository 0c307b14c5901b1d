/** How often tools may be called: of a tenant at once and by the minute, and of all tenants together, on a real host. */
import { expect, test } from 'vitest';
import type { BothLimits } from '@corral/broker/dispatch/gates';
import { tool, world } from '../world.ts';
import { agentFile } from '../agents/file.ts';

const CALLER = agentFile('crew/caller');

/** Work that goes on until it is let go, and how much of it there was at once. */
function workshop() {
  const seen: { most: number; going: number; readonly by: string[] } = { most: 0, going: 0, by: [] };
  const gates: (() => void)[] = [];
  const work = tool('work', async (_, { tenant }) => {
    seen.going += 1;
    seen.by.push(tenant);
    seen.most = Math.max(seen.most, seen.going);
    await new Promise<void>((resolve) => gates.push(resolve));
    seen.going -= 1;
    return 'done';
  });
  return { work, seen, gates };
}

const untilEqual = async <T>(what: () => T, wanted: T): Promise<void> => {
  await expect.poll(what, { timeout: 20_000, interval: 2 }).toEqual(wanted);
};

test('calls of a tenant beyond what a tool may have under way wait their turn, and each is made once', async () => {
  const { work, seen, gates } = workshop();
  const w = await world([work], { tenants: { crew: { tools: [work], limits: () => ({ own: { concurrent: 3 } }) } } });
  const { ended } = await w.submit(await w.deploy(CALLER), { times: 20 });
  for (let let_go = 0; let_go < 20; let_go += 1) {
    await expect.poll(() => gates.length, { timeout: 20_000, interval: 2 }).toBeGreaterThan(0);
    gates.shift()?.();
  }
  expect(await ended).toMatchObject({ kind: 'completed', output: { ends: Array.from({ length: 20 }, () => 'ok') } });
  expect([seen.most, seen.by.length]).toEqual([3, 20]);
});

test('tenants take turns at a tool that they share: one with many calls holds up its own', async () => {
  const { work, seen, gates } = workshop();
  const limits = () => ({ host: { concurrent: 1 } });
  const w = await world([work], { tenants: { crew: { tools: [work], limits }, zoo: { tools: [work], limits } } });
  const many = await w.submit(await w.deploy(CALLER), { times: 12 });
  await untilEqual(() => gates.length, 1);
  await w.until(many.id, (view) => view?.open_calls === 12);
  const few = await w.submit(await w.deploy(CALLER, 'zoo'), { times: 1 }, { tenant: 'zoo' });
  await expect.poll(async () => (await w.store.journal(few.id)).length, { timeout: 90_000 }).toBe(1);
  for (let let_go = 0; let_go < 13; let_go += 1) {
    await untilEqual(() => gates.length, 1);
    gates.shift()?.();
  }
  await Promise.all([many.ended, few.ended]);
  expect(seen.most).toBe(1);
  expect(seen.by.indexOf('zoo')).toBeLessThan(12);
});

test('a call that does not get its turn in time was never made, and says that it may be made again', async () => {
  const { work, seen, gates } = workshop();
  const w = await world([work], { tenants: { crew: { tools: [work], limits: () => ({ own: { per_minute: 2 } }) } } });
  const { ended } = await w.submit(await w.deploy(CALLER), { times: 4, timeout_ms: 1_500 });
  await untilEqual(() => gates.length, 2);
  for (const go of gates.splice(0)) go();
  expect(await ended).toMatchObject({
    kind: 'completed',
    output: { ends: ['ok', 'ok', 'CORRAL_TOOL_BUSY true', 'CORRAL_TOOL_BUSY true'] },
  });
  expect(seen.by).toHaveLength(2);
});

test('a run that is killed leaves its place at a tool, and its turn', async () => {
  const { work, gates } = workshop();
  const w = await world([work], { tenants: { crew: { tools: [work], limits: () => ({ own: { concurrent: 1 } }) } } });
  const version = await w.deploy(CALLER);
  const first = await w.submit(version, { times: 3 });
  await untilEqual(() => gates.length, 1);
  await w.until(first.id, (view) => view?.open_calls === 3);
  const next = await w.submit(version, { times: 1 });
  await w.until(next.id, (view) => view?.open_calls === 1);
  await w.supervisor.control.kill(first.id, 'test', 'enough');
  await untilEqual(() => gates.length, 2);
  gates[1]?.();
  expect(await next.ended).toMatchObject({ kind: 'completed', output: { ends: ['ok'] } });
});

test('a call that finds its limit gone while others wait is let in with them, and its answer is given to its agent', async () => {
  const { work, seen, gates } = workshop();
  let both: BothLimits | undefined = { own: { concurrent: 1 } };
  const w = await world([work], { tenants: { crew: { tools: [work], limits: () => both } } });
  const version = await w.deploy(CALLER);
  const first = await w.submit(version, { times: 2 });
  await untilEqual(() => gates.length, 1);
  await w.until(first.id, (view) => view?.open_calls === 2);
  both = undefined;
  const next = await w.submit(version, { times: 1, timeout_ms: 3_000 });
  await untilEqual(() => gates.length, 3);
  for (const go of gates.splice(0)) go();
  expect([await first.ended, await next.ended]).toMatchObject([{ output: { ends: ['ok', 'ok'] } }, { output: { ends: ['ok'] } }]);
  expect(seen.by).toHaveLength(3);
});

test.each([
  ['raised', { own: { concurrent: 3 } }],
  ['removed', undefined],
] as const)('calls that wait go on at once when their limit is %s', async (_, then) => {
  const { work, seen, gates } = workshop();
  const w = await world([work], { tenants: { crew: { tools: [work], limits: () => ({ own: { concurrent: 1 } }) } } });
  const { id, ended } = await w.submit(await w.deploy(CALLER), { times: 3 });
  await untilEqual(() => gates.length, 1);
  await w.until(id, (view) => view?.open_calls === 3);
  w.supervisor.configure({ crew: { tools: [work], limits: () => then } });
  await untilEqual(() => gates.length, 3);
  for (const go of gates.splice(0)) go();
  expect(await ended).toMatchObject({ output: { ends: ['ok', 'ok', 'ok'] } });
  expect(seen.by).toHaveLength(3);
});
