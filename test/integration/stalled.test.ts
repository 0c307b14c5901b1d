/** Runs that wait for a message, and lose the last run that could write to them without being told. */
import { expect, test } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import { kinds } from './slowly.ts';
import { until } from '../until.ts';
import { world } from '../world.ts';
import { agentFile } from '../agents/file.ts';

const STALLED = { kind: 'failed', code: 'CORRAL_STALLED' };

/** A run whose grandchild alone can write to it, when it has been told that its child has ended, and what lets the grandchild's end be durable. */
async function heired() {
  const w = await world([]);
  const admitted = () => w.seen.flatMap((one) => (one.kind === 'admitted' ? [one.run] : []));
  const ending = Promise.withResolvers<void>();
  const commit = w.store.commit.bind(w.store);
  w.store.commit = async (one) => {
    if (one.run === admitted()[2] && one.status.outcome !== undefined) await ending.promise;
    return commit(one);
  };
  const { id, ended } = await w.submit(await w.deploy(agentFile('hostile/mailbox-of-an-heir')));
  const heir = (): RunId => admitted()[2] as RunId;
  await until(async () => (await kinds(w, id)).length === 2, 'the end of its child');
  return { w, id, ended, heir, lets: ending.resolve };
}

test('a run is found to wait for ever once its last writer has ended, a descendant of whose end it is not told', async () => {
  const { id, ended, heir, lets, w } = await heired();
  expect(w.supervisor.view(id)).toMatchObject({ waiting: 'message' });
  expect((await w.store.run(heir()))?.status.outcome).toBeUndefined();
  lets();
  expect(await ended).toMatchObject(STALLED);
});

test('is found also where it was parked when that run ended', async () => {
  const { id, ended, lets, w } = await heired();
  await until(async () => {
    await w.supervisor.park();
    return w.supervisor.view(id) === undefined;
  }, 'it to be parked');
  lets();
  expect(await ended).toMatchObject(STALLED);
});
