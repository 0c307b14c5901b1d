import { expect, test } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import type { Entry } from '@corral/protocol/model/run';
import { Labels } from '../../evidence/labels.ts';
import { JournalReads } from './run-events.ts';

const RUN = 'run_000000000001' as RunId;
const entry = (seq: number): Entry => ({
  seq,
  at: seq,
  delivery: undefined,
  effects: JSON.stringify([{ kind: 'emit', event: 'at', data: seq }]),
  decisions: [],
  event: undefined,
  cpu_us: 0,
});

const LABELS = new Labels({ journal: () => Promise.resolve([]), privateIn: () => Promise.resolve(new Map()) });

test('followers at the same place of a run have one read between them, until an event says that there is more', async () => {
  const feed = { count: 0 };
  const asked: number[] = [];
  const written = [entry(1)];
  const reads = new JournalReads(
    (_, after) => {
      asked.push(after);
      return Promise.resolve(written.filter(({ seq }) => seq > after));
    },
    LABELS,
    feed,
  );
  const all = await Promise.all(Array.from({ length: 20 }, () => reads.after(RUN, 0, false)));
  expect(asked).toEqual([0]);
  expect(new Set(all).size).toBe(1);
  expect(all[0]?.map(({ seq, frames }) => [seq, frames.length])).toEqual([[1, 1]]);

  // The first of these began before the entry was written. The others are woken by its event, and must not share what the first one reads.
  const before = reads.after(RUN, 1, false);
  written.push(entry(2));
  feed.count = 1;
  const after = await Promise.all([reads.after(RUN, 1, false), reads.after(RUN, 1, false)]);
  expect(await before).toEqual([]);
  expect(after.map((page) => page.map(({ seq }) => seq))).toEqual([[2], [2]]);
  expect(asked).toEqual([0, 1, 1]);
  // Nothing is kept of a read that is over.
  await reads.after(RUN, 1, false);
  expect(asked).toEqual([0, 1, 1, 1]);
});

// The index may learn of an end without an event, from the store.
test('a follower that knows of the end of a run is not given what was read before it', async () => {
  const written: Entry[] = [];
  const reads = new JournalReads((_, after) => Promise.resolve(written.filter(({ seq }) => seq > after)), LABELS, { count: 0 });
  const before = reads.after(RUN, 0, false);
  written.push(entry(1));
  expect((await reads.after(RUN, 0, true)).map(({ seq }) => seq)).toEqual([1]);
  expect(await before).toEqual([]);
});
