/** What a quarantine kept still goes on once it is lifted, wherever it is. */
import { describe, expect, test } from 'vitest';
import { temporary, world } from '../world.ts';

const SLEEPER = `{ name: 'sleeper', async run({ sleep }) { await sleep(200); return 'done'; } }`;

describe('once a quarantine is lifted', () => {
  test('a run goes on that was parked under it', async () => {
    const w = await world();
    const { id, ended } = await w.submit(await w.deploy(SLEEPER));
    await w.until(id, (view) => view?.waiting === 'timer');
    await w.supervisor.stops.quarantine('agent', 'crew/sleeper', 'ana', 'looks odd');
    while (w.supervisor.view(id) !== undefined) {
      await w.supervisor.park();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect((await w.store.run(id))?.status.control).toBe('quarantined');
    await w.supervisor.stops.lift('agent', 'crew/sleeper', 'ana', 'it was nothing');
    expect(await ended).toEqual({ kind: 'completed', output: 'done' });
  });

  test('a run goes on whose host died between the lift and its resumption', async () => {
    const folder = await temporary();
    const before = await world([], { folder, residence: { runs_in_memory: 0 } });
    const { id } = await before.submit(await before.deploy(SLEEPER));
    await before.supervisor.control.pause(id, 'ana', 'looks odd', 'quarantined');
    await before.close();
    const after = await world([], { folder });
    expect(await after.supervisor.ended(id)).toEqual({ kind: 'completed', output: 'done' });
  });
});

describe('a quarantine', () => {
  test('waits for a run whose pause is under way', async () => {
    const w = await world([], { cellsPerTenant: 1 });
    const body = 'async run({ sleep }) { await sleep(1); for (let i = 0; i < 4e8; i++); return "done"; }';
    const other = await w.submit(await w.deploy(`{ name: 'other', ceilings: { crank_cpu_ms: 10000 }, ${body} }`));
    await w.until(other.id, (view) => view?.on_cpu === true && view.effects > 0);
    // Its crank is sent to the same cell ahead of its turn.
    const { id } = await w.submit(await w.deploy(`{ name: 'busy', ceilings: { crank_cpu_ms: 10000 }, ${body} }`));
    await w.until(id, (view) => view?.on_cpu === true);
    const said: string[] = [];
    const paused = w.supervisor.control.pause(id, 'ana', 'now').then(() => said.push('paused'));
    await w.until(id, (view) => view?.control === 'paused');
    await w.supervisor.stops.quarantine('agent', 'crew/busy', 'ana', 'looks odd');
    said.push('quarantined');
    await paused;
    expect(said).toEqual(['paused', 'quarantined']);
  });
});
