/** Places in memory go to runs that have something to do. */
import { expect, test } from 'vitest';
import { world } from '../world.ts';

const sleeper = (name: string, ms: number) => `{ name: '${name}', async run({ sleep }) { await sleep(${ms}); return 'done'; } }`;

test('a parked run is brought in when its timer is due, though runs that only wait hold all places', async () => {
  const w = await world([], { residence: { runs_in_memory: 2, park_after_ms: 600_000 } });
  const short = await w.submit(await w.deploy(sleeper('short', 500)));
  await w.until(short.id, (view) => view?.waiting === 'timer');
  while (w.supervisor.view(short.id) !== undefined) {
    await w.supervisor.park();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const long = await w.deploy(sleeper('long', 600_000));
  for (const { id } of [await w.submit(long), await w.submit(long)]) await w.until(id, (view) => view?.waiting === 'timer');
  expect(await short.ended).toEqual({ kind: 'completed', output: 'done' });
});
