/** A cell that was taken over may put any text on the bus: its run pays, and the host goes on. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ONLY_NODE } from '@corral/protocol/ports/store';
import { SqliteStore } from '@corral/store/sqlite';
import { databaseOf } from '../database.ts';
import { movableClock } from '../clock.ts';
import { temporary, world } from '../world.ts';
import { eachOrLong } from '../tables.ts';
import { hostWith } from './fixtures/bad-cells.ts';

describe('a batch that no SDK makes', () => {
  eachOrLong(
    [
      // Bug deep-predicate: the schema of a predicate recursed into its value, and the stack overflow that followed ended the host, at every start again.
      ['nests a predicate 2,500 levels deep', { kind: 'failed', code: 'CORRAL_JSON_UNSUPPORTED' }],
      ['nests its output 200,000 levels deep', { kind: 'failed', code: 'CORRAL_JSON_UNSUPPORTED' }],
      ['makes 99,000 timers', { kind: 'exceeded', limit: 'effects_per_crank' }],
      ['has 4 MB of small values', { kind: 'exceeded', limit: 'crank_members' }],
      ['has one effect of 1 MB', { kind: 'failed', code: 'CORRAL_EFFECT_TOO_LARGE' }],
      ['nests its output one level too deep', { kind: 'failed', code: 'CORRAL_JSON_UNSUPPORTED' }],
      ['nests its checkpoint one level too deep', { kind: 'failed', code: 'CORRAL_JSON_UNSUPPORTED' }],
      ['nests its unread messages one level too deep', { kind: 'failed', code: 'CORRAL_JSON_UNSUPPORTED' }],
    ],
    ['nests a predicate 2,500 levels deep', 'has 4 MB of small values', 'has one effect of 1 MB'],
  )('that %s ends its run, and the host goes on', async (way, outcome) => {
    // A guest cannot put its effects together by itself; a cell that was taken over can.
    const { w, version, beside } = await hostWith(way);
    expect(await (await w.submit(version, {}, { tenant: 'crew' })).ended).toMatchObject(outcome);
    expect(await (await w.submit(beside, 'fine', { tenant: 'zoo' })).ended).toEqual({ kind: 'completed', output: 'fine' });
  });

  test('that brings the bus itself to throw ends its run, and the host goes on', async () => {
    let healthy = false;
    // A tool of this host whose check throws instead of refusing, which its port forbids.
    const w = await world([
      {
        name: 'odd',
        description: 'odd',
        input: { schema: {}, check: () => (healthy ? { ok: true, value: {} } : fail()) },
        output: { schema: {}, check: (value) => ({ ok: true, value }) },
        annotations: { readOnly: true, idempotent: true, destructive: false, openWorld: false, repeatable: false, returns: 'trusted' },
        invoke: async () => ({ kind: 'ok', value: 1 }),
      },
    ]);
    const source = `{ name: 'a', uses: { odd: 'tool:odd' }, async run({ caps }) { return caps.odd({}) } }`;
    expect(await w.run(source)).toMatchObject({ kind: 'failed', code: 'CORRAL_INTERNAL' });
    healthy = true;
    expect(await w.run(source)).toEqual({ kind: 'completed', output: 1 });
  });
});

function fail(): never {
  throw new RangeError('Maximum call stack size exceeded');
}

// Bug crank-ends-each-host: a run whose crank ended the host was taken up at the next start and ended that host too, for ever.
test('a run under which three hosts in a row died is kept still, and what waits beside it goes on', async () => {
  const folder = await temporary();
  const first = await world([], { folder });
  const suspect = await first.submit(await first.deploy(`{ name: 'a', async run({ sleep }) { await sleep(300_000); return 1 } }`));
  const beside = await first.submit(await first.deploy(`{ name: 'b', async run({ sleep }) { await sleep(1_500_000); return 2 } }`));
  for (const { id } of [suspect, beside]) await first.until(id, (view) => view?.waiting === 'timer');
  await first.close();
  const db = databaseOf(join(folder, 'data'));
  db.exec('UPDATE runs SET attempts = 2');
  db.close();

  // The timer of the one is due, the timer of the other is far off, however long the first host took.
  const { clock, forward } = movableClock();
  forward(600_000);
  const w = await world([], { folder, clock });
  expect(await w.store.run(suspect.id)).toMatchObject({ status: { control: 'quarantined', lifecycle: 'active' } });
  expect(w.supervisor.view(beside.id)).toMatchObject({ control: 'none' });
  expect(await w.supervisor.control.kill(suspect.id, 'ana', 'seen')).toMatchObject({ lifecycle: 'ended' });
});

test('hosts that end in good order are not held against what they held', { tags: 'long' }, async () => {
  const folder = await temporary();
  const first = await world([], { folder });
  const { id } = await first.submit(await first.deploy(`{ name: 'a', async run({ sleep }) { await sleep(1e6) } }`));
  await first.until(id, (view) => view?.waiting === 'timer');
  await first.close();
  for (let i = 0; i < 3; i++) await (await world([], { folder })).close();
  const store = await SqliteStore.open(join(folder, 'data'));
  expect(await store.claim(id, await store.join(ONLY_NODE, 1), 1)).toMatchObject({ attempts: 1, seq: 1 });
  await store.close();
});
