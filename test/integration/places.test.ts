/** Places in memory go to runs that have something to do. */
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import { databaseOf } from '../database.ts';
import { gate, readingTool, temporary, tool, world, type World, park } from '../world.ts';
import { until } from '../until.ts';
import { movableClock } from '../clock.ts';

const sleeper = (name: string, ms: number) => `{ name: '${name}', async run({ sleep }) { await sleep(${ms}); return 'done'; } }`;

test('a parked run is brought in when its timer is due, though runs that only wait hold all places', async () => {
  const w = await world([], { residency: { runs_in_memory: 2, park_after_ms: 600_000 } });
  const short = await w.submit(await w.deploy(sleeper('short', 500)));
  await w.until(short.id, (view) => view?.waiting === 'timer');
  await park(w, short.id);
  const long = await w.deploy(sleeper('long', 600_000));
  for (const { id } of [await w.submit(long), await w.submit(long)]) await w.until(id, (view) => view?.waiting === 'timer');
  expect(await short.ended).toEqual({ kind: 'completed', output: 'done' });
});

describe('a run that may not go on gives its place to others', () => {
  /** Pauses them, and lets their timers come due, which then wait for them. */
  const pauseLong = async (w: World, ids: readonly RunId[], forward: (ms: number) => void) => {
    for (const id of ids) await w.supervisor.control.pause(id, 'ana', 'look');
    for (const id of ids) await w.until(id, (view) => view?.control === 'paused');
    forward(90_000);
  };

  test('though something waits for it; it is given that when it is resumed', async () => {
    const { clock, forward } = movableClock();
    const w = await world([], { clock, residency: { runs_in_memory: 2, park_after_ms: 600_000 } });
    const held = await Promise.all([1, 2].map(async () => w.submit(await w.deploy(sleeper('held', 60_000)))));
    for (const { id } of held) await w.until(id, (view) => view?.waiting === 'timer');
    await pauseLong(
      w,
      held.map(({ id }) => id),
      forward,
    );
    const other = await w.submit(await w.deploy(sleeper('other', 1)));
    expect(await other.ended).toEqual({ kind: 'completed', output: 'done' });
    for (const { id } of held) await w.supervisor.control.resume(id, 'ana', 'go');
    for (const { ended } of held) expect(await ended).toEqual({ kind: 'completed', output: 'done' });
  });

  test.for([false, true])('with the answers of its calls, none of which is made again (repeatable: %s)', async (repeatable) => {
    let calls = 0;
    const answered = gate();
    const count = async () => {
      calls += 1;
      await answered.opened;
      return calls;
    };
    const w = await world([repeatable ? readingTool('count', count) : tool('count', count)], {
      residency: { runs_in_memory: 1, park_after_ms: 600_000 },
    });
    const { id, ended } = await w.submit(await w.deploy(`{ name: 'a', uses: { count: 'tool:count' }, run: ({ caps }) => caps.count({}) }`));
    await w.until(id, (view) => view?.waiting === 'call');
    await until(() => calls !== 0);
    await w.supervisor.stops.quarantine('agent', 'crew/a', 'ana', 'looks odd');
    answered.open();
    const other = await w.submit(await w.deploy(sleeper('other', 1)));
    expect(await other.ended).toEqual({ kind: 'completed', output: 'done' });
    expect((await w.store.run(id))?.parked).toBe(true);
    await w.supervisor.stops.lift('agent', 'crew/a', 'ana', 'it was nothing');
    expect(await ended).toEqual({ kind: 'completed', output: 1 });
    expect(calls).toBe(1);
  });

  test('where a host holds it, and what comes for it does not bring it back', async () => {
    const folder = await temporary();
    const harm = [tool('harm', () => 1)];
    const before = await world(harm, { folder });
    const agent = `{ name: 'a', uses: { harm: 'tool:harm' }, async run({ sleep }) { await sleep(60_000); return 'done'; } }`;
    const { id } = await before.submit(await before.deploy(agent));
    await before.until(id, (view) => view?.waiting === 'timer');
    await before.close();
    const db = databaseOf(join(folder, 'data'));
    db.exec('UPDATE runs SET restored = 1');
    db.close();
    const { clock, forward } = movableClock();
    const after = await world(harm, { folder, clock, residency: { sweep_ms: 20, park_after_ms: 50 } });
    await after.until(id, (view) => view === undefined);
    const woken = after.seen.filter(({ kind }) => kind === 'woken').length;
    forward(90_000);
    const sweeps = vi.spyOn(after.store, 'take');
    await until(() => sweeps.mock.calls.length > 3, 'the host has asked the store for runs that are due');
    expect(after.seen.filter(({ kind }) => kind === 'woken')).toHaveLength(woken);
    await after.supervisor.control.release(id, 'ana', 'looked');
    expect(await after.supervisor.ended(id)).toEqual({ kind: 'completed', output: 'done' });
  });
});
