/** Reads the journal of a run page by page, so that a long one neither blocks the host nor is held whole. */
import { CorralError } from '@corral/protocol/errors';
import { DOOR } from '@corral/protocol/limits';
import type { RunId } from '@corral/protocol/ids';
import type { Entry } from '@corral/protocol/model/run';
import type { ShownEntry } from './without.ts';

/** Entries of a reader who may not read all of them say so. */
export type Pages = AsyncIterable<readonly ShownEntry[]>;

/** Reads entries of a run after a number, at most as many as the limit, in order. */
export type ReadJournal = (run: RunId, after: number, limit: number) => Promise<readonly ShownEntry[]>;

/** @param size entries that are read at a time @param from the entry after which it begins */
export async function* pagesOf(journal: ReadJournal, run: RunId, size: number, from = 0): AsyncGenerator<readonly ShownEntry[]> {
  for (let after = from; ;) {
    const page = await journal(run, after, size);
    yield page;
    const last = page.at(-1);
    if (last === undefined || page.length < size) return;
    after = last.seq;
  }
}

/** Entries that are read at a time until a page is full. */
const AT_ONCE = 50;

const sizeOf = ({ delivery = '', effects = '', decisions, event }: Entry): number =>
  delivery.length + effects.length + JSON.stringify(decisions).length + JSON.stringify(event ?? null).length;

/** The entries after one, as many as fit on a page: bounded in count, and in bytes besides the first of them. */
export async function entriesAfter(
  journal: ReadJournal,
  run: RunId,
  after: number,
  limit: number,
  bytes = DOOR.list_bytes.default,
): Promise<{ readonly page: readonly ShownEntry[]; readonly more: boolean }> {
  const page: ShownEntry[] = [];
  let taken = 0;
  for (;;) {
    const wanted = Math.min(AT_ONCE, limit + 1 - page.length);
    const entries = await journal(run, page.at(-1)?.seq ?? after, wanted);
    for (const entry of entries) {
      taken += sizeOf(entry);
      if (page.length >= limit || (page.length > 0 && taken > bytes)) return { page, more: true };
      page.push(entry);
    }
    if (entries.length < wanted) return { page, more: false };
  }
}

/**
 * The last entries before one, in their order: as many as fit on a page, which is bounded as that of `entriesAfter`. Where the beginning of
 * the journal was pruned, it ends there.
 */
export async function entriesBefore(
  journal: ReadJournal,
  run: RunId,
  before: number,
  limit: number,
  bytes = DOOR.list_bytes.default,
): Promise<{ readonly page: readonly ShownEntry[]; readonly more: boolean }> {
  const page: ShownEntry[] = [];
  let taken = 0;
  for (let first = before, size = AT_ONCE; first > 1;) {
    // Numbers have no gaps.
    const from = Math.max(0, first - 1 - Math.min(size, limit + 1 - page.length));
    const entries = await journal(run, from, first - 1 - from).catch((error: unknown) => {
      if (error instanceof CorralError && error.code === 'CORRAL_JOURNAL_PRUNED') return undefined;
      throw error;
    });
    if (entries === undefined) {
      // Somewhere in this block the journal begins: that is looked for in ever smaller ones.
      if (first - 1 - from > 1) {
        size = Math.floor((first - 1 - from) / 2);
        continue;
      }
      if (page.length > 0) break;
      throw new CorralError('CORRAL_JOURNAL_PRUNED', `The journal of ${run} before entry ${before} was pruned.`);
    }
    for (const entry of entries.toReversed()) {
      taken += sizeOf(entry);
      if (page.length >= limit || (page.length > 0 && taken > bytes)) return { page: page.toReversed(), more: true };
      page.push(entry);
    }
    first = from + 1;
  }
  return { page: page.toReversed(), more: false };
}
