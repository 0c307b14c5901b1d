/** Reads the journal of a run page by page, so that a long one neither blocks the host nor is held whole. */
import type { RunId } from '@corral/protocol/ids';
import type { Entry } from '@corral/protocol/model/run';

export type Pages = AsyncIterable<readonly Entry[]>;

/** Reads entries of a run after a number, at most as many as the limit, in order. */
export type ReadJournal = (run: RunId, after: number, limit: number) => Promise<readonly Entry[]>;

/** @param size entries that are read at a time */
export async function* pagesOf(journal: ReadJournal, run: RunId, size: number): AsyncGenerator<readonly Entry[]> {
  for (let after = 0; ;) {
    const page = await journal(run, after, size);
    yield page;
    const last = page.at(-1);
    if (last === undefined || page.length < size) return;
    after = last.seq;
  }
}
