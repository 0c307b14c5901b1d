/** Damage to one run is that run's trouble alone. Real cells, a real store that somebody has been at. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import { databaseOf } from '../database.ts';
import { temporary, world } from '../world.ts';
import { until } from '../until.ts';

const AGENT = `{ name: 'a', async run({ sleep }) { await sleep(1); await sleep(4000); return 'whole' } }`;

test('damaged runs are quarantined by name at the next start, whatever is damaged, and the others go on', async () => {
  const folder = await temporary();
  const first = await world([], { folder });
  const version = await first.deploy(AGENT);
  const runs = await Promise.all(Array.from({ length: 4 }, () => first.submit(version)));
  const ids = runs.map(({ id }) => id);
  // Each has entries, and waits for the second timer.
  for (const id of ids) await until(async () => ((await first.store.run(id))?.seq ?? 0) >= 2, `${id} has two entries`);
  await first.close();

  const [flipped, cut, nameless, whole] = ids as [RunId, RunId, RunId, RunId];
  const db = databaseOf(join(folder, 'data'));
  const n = (id: RunId) => (db.prepare('SELECT n FROM runs WHERE id = ?').get(id) as { n: number }).n;
  db.prepare("UPDATE journal SET body = CAST(body || x'00' AS BLOB) WHERE run = ? AND seq = 1").run(n(flipped));
  db.prepare('DELETE FROM journal WHERE run = ? AND seq = 1').run(n(cut));
  db.prepare("UPDATE records SET record = x'0102' WHERE n = ?").run(n(nameless));
  // As a host that was killed leaves them: one still in its memory.
  db.prepare('UPDATE runs SET parked = 0 WHERE id IN (?, ?)').run(flipped, nameless);
  db.close();

  const second = await world([], { folder });
  await until(async () => (await second.store.run(whole))?.status.lifecycle === 'ended');
  expect(await second.store.run(whole)).toMatchObject({ status: { outcome: { kind: 'completed', output: 'whole' } } });
  await until(async () => (await second.store.wakeable(Date.now() + 10_000, 10)).length === 0);

  const { damaged } = await second.store.verify();
  expect(new Set(damaged.map(({ run, entry }) => `${run} ${entry}`))).toEqual(new Set([`${flipped} 1`, `${cut} 1`, `${nameless} 0`]));
  for (const id of [flipped, cut])
    expect(await second.store.run(id)).toMatchObject({ status: { lifecycle: 'active', control: 'quarantined' } });
  await expect(second.store.run(nameless)).rejects.toMatchObject({ code: 'CORRAL_JOURNAL_DAMAGED' });
  await second.close();
});
