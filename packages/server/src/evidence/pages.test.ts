import { expect, test } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import type { Entry } from '@corral/protocol/model/run';
import { pagesOf } from './pages.ts';

const RUN = 'run_000000000000' as RunId;

test.each([0, 1, 2, 3, 4, 6, 7])('a journal of %i entries is read whole and in order, three at a time', async (length) => {
  const entries = Array.from({ length }, (_, i) => ({ seq: i + 1, at: 0, cpu_us: 0, decisions: [] }) as unknown as Entry);
  const read: number[] = [];
  const journal = async (run: RunId, after: number, limit: number) => {
    expect([run, limit]).toEqual([RUN, 3]);
    return entries.filter(({ seq }) => seq > after).slice(0, limit);
  };
  for await (const page of pagesOf(journal, RUN, 3)) read.push(...page.map(({ seq }) => seq));
  expect(read).toEqual(entries.map(({ seq }) => seq));
});
