import { expect, test } from 'vitest';
import type { Ledger } from '@corral/broker/ledger/ledger';
import type { PendingDelivery } from '@corral/protocol/wire/delivery';
import { RunQueue, type Queued } from './queue.ts';

const chunk = (id: number, part: string): PendingDelivery => ({ kind: 'chunk', id, offset: 0, parts: [part] });
const moment = () => new Promise((resolve) => setImmediate(resolve));

/** A queue of a run that reads the streams of calls 1 and 2. */
function reading(...waiting: readonly PendingDelivery[]) {
  const pending = new Map([1, 2].map((id) => [id, { kind: 'call', id, stream: { parts: 0 } }]));
  const queue = new RunQueue({ record: {}, pending } as unknown as Ledger);
  for (const delivery of waiting) queue.add(delivery);
  let times = 0;
  return { queue, takeBack: () => queue.takeBackChunk(1, () => (times += 1)), times: () => times };
}

test('a chunk that waits is taken back at once, and the others stay', () => {
  const { queue, takeBack, times } = reading(chunk(1, 'a'), chunk(2, 'b'));
  takeBack();
  expect([times(), queue.take()?.delivery, queue.hasNext]).toEqual([1, chunk(2, 'b'), false]);
});

test('a chunk that is being read is taken back if its crank is discarded, and that of the next attempt is not', async () => {
  const { queue, takeBack, times } = reading(chunk(1, 'a'));
  const read = queue.take() as Queued;
  takeBack();
  expect(times()).toBe(0);
  queue.putBack(read);
  await moment();
  expect([times(), queue.hasNext]).toEqual([1, false]);
  queue.add(chunk(1, 'again'));
  queue.putBack(queue.take() as Queued);
  await moment();
  expect([times(), queue.take()?.delivery]).toEqual([1, chunk(1, 'again')]);
});
