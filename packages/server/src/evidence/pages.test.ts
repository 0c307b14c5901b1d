import { expect, test } from 'vitest';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Entry } from '@corral/protocol/model/run';
import { entriesAfter, entriesBefore, pagesOf } from './pages.ts';

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

const entriesOf = (length: number) =>
  Array.from({ length }, (_, i) => ({ seq: i + 1, at: 0, cpu_us: 0, decisions: [], effects: 'x'.repeat(50) }) as unknown as Entry);
const reading = (entries: readonly Entry[]) => async (_: RunId, after: number, limit: number) =>
  entries.filter(({ seq }) => seq > after).slice(0, limit);

test.each([
  [200, 1_000_000],
  [200, 400],
  [7, 1_000_000],
  [1, 10],
])('backwards, pages of at most %i entries and %i bytes have each entry once and in order, as forwards', async (limit, bytes) => {
  const journal = reading(entriesOf(130));
  const back: number[] = [];
  for (let before = 131, more = true; more;) {
    const read = await entriesBefore(journal, RUN, before, limit, bytes);
    expect(read.page.length).toBeLessThanOrEqual(limit);
    back.unshift(...read.page.map(({ seq }) => seq));
    before = read.page[0]?.seq ?? 0;
    more = read.more;
  }
  expect(back).toEqual(entriesOf(130).map(({ seq }) => seq));
  const pruned = async (run: RunId, after: number, most: number) => {
    if (after < 77) throw new CorralError('CORRAL_JOURNAL_PRUNED', '');
    return journal(run, after, most);
  };
  const end = await entriesBefore(pruned, RUN, 131, 200, 1_000_000);
  expect([end.page[0]?.seq, end.page.at(-1)?.seq, end.more]).toEqual([78, 130, false]);
  await expect(entriesBefore(pruned, RUN, 50, 200)).rejects.toMatchObject({ code: 'CORRAL_JOURNAL_PRUNED' });
  const { page } = await entriesAfter(journal, RUN, 130 - limit, limit, 1_000_000);
  expect((await entriesBefore(journal, RUN, 131, limit, 1_000_000)).page).toEqual(page);
});
