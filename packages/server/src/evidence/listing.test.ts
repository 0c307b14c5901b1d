import { describe, expect, test } from 'vitest';
import type { Place } from '@corral/protocol/api/cursor';
import type { RunId } from '@corral/protocol/ids';
import type { Entry } from '@corral/protocol/model/run';
import { callsFrom } from './fixture.ts';
import { callsAfter, messagesAfter } from './listing.ts';
import { entriesAfter, pagesOf, type Pages, type ReadJournal } from './pages.ts';

const RUN = 'run_000000000001' as RunId;

/** A run that makes two calls and sends two messages in each odd entry, and is answered in the next. */
const ENTRIES: readonly Entry[] = Array.from({ length: 40 }, (_, i): Entry => {
  const [seq, id] = [i + 1, i + 1 - (i % 2)];
  const asks = i % 2 === 0;
  const effects = asks
    ? [id, id + 1].flatMap((one) => [
        { kind: 'call', id: one, cap: 1, input: { text: 'x'.repeat(100) } },
        { kind: 'send', id: one + 1_000, cap: 2, body: one },
      ])
    : [];
  const results = asks ? [] : [id, id + 1].map((one) => ({ id: one, value: `${one}${'y'.repeat(100)}` }));
  return {
    seq,
    at: seq,
    delivery: JSON.stringify(asks ? { kind: 'timer', id: 0, at: seq } : { kind: 'reply', results, at: seq }),
    effects: JSON.stringify(effects),
    decisions: asks ? [id, id + 1].map((one) => ({ id: one, verdict: 'allow' as const, tool: 'echo' as never })) : [],
    event: undefined,
    cpu_us: 1,
  };
});
const read: ReadJournal = (_, after, limit) => Promise.resolve(ENTRIES.slice(after, after + limit));

const ALL = ENTRIES.filter(({ seq }) => seq % 2 === 1).flatMap(({ seq }) => [seq, seq + 1]);
type Page<T> = Promise<{ readonly items: readonly T[]; readonly next: Place | undefined }>;

/** All pages of a list, each asked for where the one before ended. */
async function pagesIn<T>(list: (pages: Pages, after: Place | undefined) => Page<T>): Promise<(readonly T[])[]> {
  const found: (readonly T[])[] = [];
  for (let after: Place | undefined, more = true; more;) {
    const { items, next } = await list(pagesOf(read, RUN, 5, Math.max(0, (after?.seq ?? 1) - 1)), after);
    found.push(items);
    [after, more] = [next, next !== undefined];
  }
  return found;
}

describe('calls and messages of a run', () => {
  test.each([
    ['by count', 3, Number.POSITIVE_INFINITY, 3],
    ['by bytes', 100, 700, 3],
    ['one at a time where each is too large', 100, 1, 1],
  ])('come on pages that are bounded %s, each once, in order, calls with their answers', async (_, limit, bytes, most) => {
    const calls = await pagesIn((pages, after) => callsAfter(pages, after, limit, bytes));
    expect(Math.max(...calls.map(({ length }) => length))).toBe(most);
    expect(calls.flat().map(({ call, state, asked_at, answered_at }) => [call, state, (answered_at ?? 0) - asked_at])).toEqual(
      ALL.map((one) => [one, 'done', 1]),
    );
    // The bodies are numbers of one digit or two.
    const messages = await pagesIn((pages, after) => messagesAfter(pages, after, limit, Math.min(bytes, 5)));
    expect(Math.max(...messages.map(({ length }) => length))).toBeLessThanOrEqual(Math.min(limit, 5));
    expect(messages.flat().map(({ body }) => body)).toEqual(ALL);
  });
});

test('a page of a journal is bounded in count and in bytes, and one entry is never too many', async () => {
  const sizes = async (limit: number, bytes: number) => {
    const { page, more } = await entriesAfter(read, RUN, 3, limit, bytes);
    return [page.map(({ seq }) => seq), more];
  };
  expect(await sizes(2, Number.POSITIVE_INFINITY)).toEqual([[4, 5], true]);
  expect(await sizes(100, 1)).toEqual([[4], true]);
  expect(await sizes(37, Number.POSITIVE_INFINITY)).toEqual([ENTRIES.slice(3).map(({ seq }) => seq), false]);
});

test('a fixture with more calls or bytes than may be is refused, and the sentence says which', async () => {
  const made = (most: { readonly calls: number; readonly bytes: number }) =>
    callsFrom(RUN, pagesOf(read, RUN, 5), { from: Number.POSITIVE_INFINITY, names: [] }, new Map(), true, most);
  expect(await made({ calls: 40, bytes: 1e6 })).toHaveLength(40);
  const refusal = { code: 'CORRAL_FIXTURE_TOO_LARGE' };
  await expect(made({ calls: 39, bytes: 1e6 })).rejects.toMatchObject({
    ...refusal,
    message: expect.stringContaining('39 calls') as string,
  });
  await expect(made({ calls: 40, bytes: 999 })).rejects.toMatchObject({
    ...refusal,
    message: expect.stringContaining('999 bytes') as string,
  });
});
