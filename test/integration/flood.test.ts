/** Many runs at once: whatever they hold, all that was admitted ends, and a tenant's pile is its own. More of them are in flood.long.test.ts. */
import { describe, expect, test } from 'vitest';
import type { TenantId } from '@corral/protocol/ids';
import { gate, readingTool, world, type World } from '../world.ts';
import { until } from '../until.ts';
import { CALLER, notDrained } from './flooding.ts';

describe('a flood of runs', () => {
  test('drains, though a cell holds few of them', async () => {
    expect(await notDrained(250)).toEqual([]);
  }, 120_000);

  test(
    'whose tools take longer than a cell can hold them all drains by replay, and drains no faster by more of it',
    { tags: 'long', timeout: 120_000 },
    async () => {
      const { opened, open } = gate();
      const w = await world([readingTool('now', () => opened.then(() => 'now'))], { cell_memory_mib: 128, cellsPerTenant: 1 });
      const version = await w.deploy(CALLER);
      const all = await Promise.all(Array.from({ length: 200 }, () => w.submit(version)));
      await until(() => !w.supervisor.runs().some(({ waiting }) => waiting !== 'call'));
      const resident = w.supervisor.runs().filter(({ residency }) => residency === 'resident').length;
      open();
      const outcomes = await Promise.all(all.map(({ ended }) => ended));
      expect(outcomes.filter(({ kind }) => kind !== 'completed')).toEqual([]);
      expect(resident).toBeLessThan(200);
    },
  );

  test('in one tenant, beyond what that may have in memory, keeps another’s run waiting for none of it', async () => {
    const { opened, open } = gate();
    const tools = [readingTool('now', () => opened.then(() => 'now'))];
    const quick = [readingTool('now', () => 'now')];
    const residency = { runs_in_memory: 60, sweep_ms: 50, park_after_ms: 1_000, resident_mib: 4_096 };
    const w = await world(tools, { residency, tenants: { crew: { tools, residents: 40 }, zoo: { tools: quick } } });
    const version = await w.deploy(CALLER);
    const all = await Promise.all(Array.from({ length: 200 }, () => w.submit(version)));
    const mine = () => w.supervisor.runs().filter(({ tenant }) => tenant === 'crew').length;
    // Runs that are taken from the store while others are admitted may pass the tenant's own bound, though not that of the host.
    expect(mine()).toBeLessThanOrEqual(residency.runs_in_memory);
    const other = await w.submit(await w.deploy(CALLER, 'zoo'), {}, { tenant: 'zoo' });
    expect(await other.ended).toEqual({ kind: 'completed', output: 'now' });
    open();
    const outcomes = await Promise.all(all.map(({ ended }) => ended));
    expect(outcomes.filter(({ kind }) => kind !== 'completed')).toEqual([]);
  });
});

describe('a pile of deploys', () => {
  test(
    'that compute for ever takes one tenant’s share of cells, and keeps nobody’s first run waiting',
    { tags: 'long', timeout: 120_000 },
    async () => {
      const w = await world([], { maxCells: 8, spares: 1 });
      const spinning = { tenants: 'crew' as TenantId, source: 'for (;;);' };
      const version = await w.deploy(`{ name: 'hello', run: () => 'hello' }`, 'zoo');
      let ended = 0;
      let most = 0;
      const looks = setInterval(() => (most = Math.max(most, borrowed(w))), 5);
      const deploys = Array.from({ length: 6 }, () =>
        w.supervisor.describe([spinning.source], spinning.tenants).catch((error: unknown) => {
          ended += 1;
          return error;
        }),
      );
      const other = await w.submit(version, {}, { tenant: 'zoo' });
      expect(await other.ended).toEqual({ kind: 'completed', output: 'hello' });
      expect(ended).toBeLessThan(3);
      expect(await Promise.all(deploys)).toMatchObject(deploys.map(() => ({ code: 'CORRAL_BUNDLE_INVALID' })));
      clearInterval(looks);
      // One that is borrowed, one that is being given back, and one spare.
      expect(most).toBeLessThanOrEqual(3);
    },
  );
});

/** Cells that belong to no tenant: spares, and those that the host has borrowed. */
const borrowed = (w: World) => w.supervisor.cells().filter(({ tenant }) => tenant === undefined).length;
