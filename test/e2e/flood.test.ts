/** Many runs at once: whatever they hold, all that was admitted ends, and a tenant's pile is its own. */
import { describe, expect, test } from 'vitest';
import { gate, readingTool, world } from '../world.ts';

const CALLER = `{ name: 'caller', uses: { now: 'tool:now' }, run: ({ caps }) => caps.now({}) }`;

describe('a flood of runs', () => {
  test('drains, though a cell holds few of them', async () => {
    const w = await world([readingTool('now', () => 'now')], { cell_memory_mib: 128 });
    const version = await w.deploy(CALLER);
    const all = await Promise.all(Array.from({ length: 1_500 }, () => w.submit(version)));
    const outcomes = await Promise.all(all.map(({ ended }) => ended));
    expect(outcomes.filter(({ kind }) => kind !== 'completed')).toEqual([]);
  }, 120_000);

  test('whose tools take longer than a cell can hold them all drains by replay, and drains no faster by more of it', async () => {
    const { opened, open } = gate();
    const w = await world([readingTool('now', () => opened.then(() => 'now'))], { cell_memory_mib: 128, cellsPerTenant: 1 });
    const version = await w.deploy(CALLER);
    const all = await Promise.all(Array.from({ length: 200 }, () => w.submit(version)));
    while (w.supervisor.runs().some(({ waiting }) => waiting !== 'call')) await new Promise((resolve) => setTimeout(resolve, 10));
    const resident = w.supervisor.runs().filter(({ residency }) => residency === 'resident').length;
    open();
    const outcomes = await Promise.all(all.map(({ ended }) => ended));
    expect(outcomes.filter(({ kind }) => kind !== 'completed')).toEqual([]);
    expect(resident).toBeLessThan(200);
  }, 120_000);

  test('in one tenant, beyond what that may have in memory, keeps another’s run waiting for none of it', async () => {
    const { opened, open } = gate();
    const tools = [readingTool('now', () => opened.then(() => 'now'))];
    const quick = [readingTool('now', () => 'now')];
    const residence = { runs_in_memory: 60, sweep_ms: 50, park_after_ms: 1_000, resident_mib: 4_096 };
    const w = await world(tools, { residence, tenants: { crew: { tools, residents: 40 }, zoo: { tools: quick } } });
    const version = await w.deploy(CALLER);
    const all = await Promise.all(Array.from({ length: 200 }, () => w.submit(version)));
    const mine = () => w.supervisor.runs().filter(({ tenant }) => tenant === 'crew').length;
    expect(mine()).toBeLessThanOrEqual(40);
    const other = await w.submit(await w.deploy(CALLER, 'zoo'), {}, { tenant: 'zoo' });
    expect(await other.ended).toEqual({ kind: 'completed', output: 'now' });
    open();
    const outcomes = await Promise.all(all.map(({ ended }) => ended));
    expect(outcomes.filter(({ kind }) => kind !== 'completed')).toEqual([]);
  }, 120_000);
});
