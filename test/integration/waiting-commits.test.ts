/** Commits that wait for the store's writer: for company, or because the disk is slow; then their text counts as memory of their tenant. */
import { expect, test } from 'vitest';
import { gate, keepingBack, readingTool, tool, world } from '../world.ts';
import { until } from '../until.ts';
import { agentFile } from '../agents/file.ts';

const TALKER = `{ name: 'talker', async run({ emit }) { for (let i = 0; i < 12; i++) emit('x', String(i).padEnd(100_000, 'y')); return 'done' } }`;
const QUIET = `{ name: 'quiet', async run() { return 'done' } }`;

test('runs of a tenant whose commits wait are not brought into memory until those are written, and others go on', async () => {
  const disk = gate();
  let kept = 0;
  const isKept = ({ entry }: { readonly entry: { readonly effects: string | undefined } }) => {
    const large = (entry.effects?.length ?? 0) > 1_000_000;
    kept += Number(large);
    return large;
  };
  const w = await world([], { heap_bytes: 8 * 1024 * 1024, through: (store) => keepingBack(store, isKept, disk.opened) });
  const [talker, quiet, other] = [await w.deploy(TALKER), await w.deploy(QUIET), await w.deploy(QUIET, 'zoo')];
  const talkers = await Promise.all(Array.from({ length: 3 }, () => w.submit(talker)));
  await until(() => kept === 3);
  const late = await w.submit(quiet);
  expect(await (await w.submit(other, {}, { tenant: 'zoo' })).ended).toEqual({ kind: 'completed', output: 'done' });
  expect((await w.store.run(late.id))?.status).toMatchObject({ lifecycle: 'queued' });
  disk.open();
  for (const { ended } of [...talkers, late]) expect(await ended).toEqual({ kind: 'completed', output: 'done' });
});

test('a tenant as many of whose commits wait as may decides no further crank until some are written, and other tenants go on', async () => {
  const disk = gate();
  let kept = 0;
  const isKept = ({ entry }: { readonly entry: { readonly effects: string | undefined } }) => {
    const isOfCrew = entry.effects?.includes('of crew') === true;
    kept += Number(isOfCrew);
    return isOfCrew;
  };
  const w = await world([], { through: (store) => keepingBack(store, isKept, disk.opened) });
  // Runs of one crank each.
  const version = await w.deploy(`{ name: 'many', async run({ emit }) { emit('x', 'of crew'.padEnd(20_000)); return 'done' } }`);
  const other = await w.deploy(QUIET, 'zoo');
  const all = await Promise.all(Array.from({ length: 300 }, () => w.submit(version)));
  // Some 4 MiB of text.
  await until(() => kept > 200, 'as much waits as may');
  for (let i = 0; i < 3; i++)
    expect(await (await w.submit(other, {}, { tenant: 'zoo' })).ended).toEqual({ kind: 'completed', output: 'done' });
  expect(kept).toBeLessThan(220);
  disk.open();
  for (const { ended } of all) expect(await ended).toEqual({ kind: 'completed', output: 'done' });
  expect(kept).toBe(300);
});

test('a commit whose calls have all left waits for company; one that something waits for is written at once', async () => {
  const waits: boolean[] = [];
  const isKept = ({ flush }: { readonly flush?: string }) => waits.push(flush === 'with-next') === 0;
  const w = await world([readingTool('read', () => 1), tool('write', () => 1)], {
    through: (store) => keepingBack(store, isKept, Promise.resolve()),
  });
  const { id, ended } = await w.submit(await w.deploy(agentFile('crew/reads-mostly')));
  expect(await ended).toMatchObject({ kind: 'completed' });
  // The call under embargo, the line of the log and the end.
  expect(waits).toEqual([true, true, false, true, false, false]);
  expect(await w.store.journal(id)).toHaveLength(waits.length);
});
