/** Messages that reach nobody: their sender is told so once, whatever becomes of the host in between. */
import { expect, test } from 'vitest';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Commit, Store } from '@corral/protocol/ports/store';
import { world } from '../world.ts';
import { agentFile } from '../agents/file.ts';

/** A child writes to its sibling, which has ended. */
const FAMILY = agentFile('family/writes-to-the-dead');
const TOLD = { kind: 'completed', output: 'CORRAL_RECIPIENT_ENDED' };

/** A store that takes no entry which says that a message reached nobody, as if the host had died right before it. */
function dyingBefore(refusal: CorralError, times: number) {
  const refused: RunId[] = [];
  const through = (store: Store): Store =>
    new Proxy(store, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name);
        if (name !== 'commit') return typeof member === 'function' ? (member as () => void).bind(target) : member;
        return (commit: Commit) => {
          if (commit.entry.event?.kind !== 'unanswered' || refused.length >= times) return target.commit(commit);
          refused.push(commit.run);
          return Promise.reject(refusal);
        };
      },
    });
  return { refused, through };
}
const told = async (store: Store, id: Parameters<Store['journal']>[0]) =>
  (await store.journal(id)).filter(({ event }) => event?.kind === 'unanswered').length;

test('a sender is told by the next host where the last one died before it was written down', { tags: 'long' }, async () => {
  const { refused, through } = dyingBefore(new CorralError('CORRAL_STOPPING', 'The host is gone.'), Number.POSITIVE_INFINITY);
  const first = await world([], { through });
  const { id } = await first.submit(await first.deploy(FAMILY));
  await expect.poll(() => refused.length, { timeout: 90_000 }).toBe(1);
  await first.close();
  const next = await world([], { folder: first.folder });
  await expect.poll(async () => (await next.store.run(id))?.status.outcome, { timeout: 90_000 }).toEqual(TOLD);
  expect(await told(next.store, refused[0] as RunId)).toBe(1);
});

test('and by the same host where its store had no room for that', async () => {
  const { refused, through } = dyingBefore(new CorralError('CORRAL_DISK_FULL', 'There is no space left.'), 2);
  const w = await world([], { through });
  const { ended } = await w.submit(await w.deploy(FAMILY));
  expect(await ended).toEqual(TOLD);
  expect([refused.length, await told(w.store, refused[0] as RunId)]).toEqual([2, 1]);
});
