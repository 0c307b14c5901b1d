import { expect, test } from 'vitest';
import type { Changes } from '@corral/protocol/ports/store';
import { Neighbours, type NeighboursOptions } from './neighbours.ts';

/** A node on a store in which a quarantine was put up. */
function beside(first: (changes: Changes) => Promise<void>) {
  const asked: (number | undefined)[] = [];
  const store = {
    changesSince: async (version: number | undefined): Promise<Changes> => {
      asked.push(version);
      return { version: 1, quarantines: version !== 1, services: false, revoked: [] };
    },
    holding: async () => [],
  };
  const neighbours = new Neighbours({ store, runs: new Map(), membership: { node: 1 } } as unknown as NeighboursOptions);
  let isFirst = true;
  // A quarantine is new to a node once, and the runs that it concerns are stopped then.
  neighbours.onChanges = async (changes) => {
    if (!isFirst) return;
    isFirst = false;
    await first(changes);
  };
  return { neighbours, asked };
}

test('a sign of life waits until the runs stand still that a sweep has found under quarantine', async () => {
  const stopped = Promise.withResolvers<undefined>();
  let still = false;
  const { neighbours, asked } = beside(async () => {
    await stopped.promise;
    still = true;
  });
  const sweep = neighbours.follow();
  const learned = neighbours.learn().then(() => still);
  // Everything that does not wait for the runs is done before the next turn.
  await new Promise((resolve) => setImmediate(resolve));
  stopped.resolve(undefined);
  expect(await learned).toBe(true);
  await sweep;
  // It was decided before: the sign of life asks for what came later.
  expect(asked).toEqual([undefined, 1]);
});

test('what a sweep could not follow is read again before the next sign of life', async () => {
  const { neighbours, asked } = beside(() => Promise.reject(new Error('gone')));
  const sweep = neighbours.follow();
  const learned = neighbours.learn();
  await expect(sweep).rejects.toThrow('gone');
  await learned;
  expect(asked).toEqual([undefined, undefined]);
});
