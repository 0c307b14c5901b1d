/** The journal of a run: from an entry on, before one, or around one; a caller can wait for more of it. */
import { CorralError } from '@corral/protocol/errors';
import { DOOR } from '@corral/protocol/limits';
import type { RunId } from '@corral/protocol/ids';
import { entryView } from '../../evidence/journal.ts';
import { shownJournal } from '../../evidence/shown.ts';
import type { ShownEntry } from '../../evidence/without.ts';
import { entriesAfter, entriesBefore, type ReadJournal } from '../../evidence/pages.ts';
import type { ServerContext } from '../context.ts';
import { findRun, mustStand, type Handlers } from './handler.ts';

/** How often the journal is read again for a caller who waits for more of it. */
const LOOK_MS = 100;

interface Place {
  readonly after?: number | undefined;
  readonly before?: number | undefined;
  readonly around?: number | undefined;
}
interface Page {
  readonly page: readonly ShownEntry[];
  /** `after` of the next page, and `before` of the one before. */
  readonly next: number | null;
  readonly previous: number | null;
}

export function journalRoutes(door: ServerContext): Handlers<'runJournal'> {
  const { host, index, clock } = door;
  const pause = (ms: number) => new Promise<void>((resolve) => clock.after(ms, resolve));

  const pageAt = async (journal: ReadJournal, run: RunId, { after = 0, before, around }: Place, limit: number): Promise<Page> => {
    const end = before ?? around;
    if (end === undefined) {
      const { page, more } = await entriesAfter(journal, run, after, limit);
      return { page, next: more ? (page.at(-1)?.seq ?? null) : null, previous: after > 0 ? (page[0]?.seq ?? after + 1) : null };
    }
    const last = (await host.lastHash(run))?.seq ?? 0;
    // Around an entry that is not there yet is around the last one.
    const at = Math.min(end, around === undefined ? last + 1 : Math.max(1, last));
    const half = around === undefined ? limit : Math.floor(limit / 2);
    const bytes = DOOR.list_bytes.default / (around === undefined ? 1 : 2);
    const earlier = half === 0 ? { page: [], more: at > 1 } : await entriesBefore(journal, run, at, half, bytes);
    const later = around === undefined ? { page: [], more: at <= last } : await entriesAfter(journal, run, at - 1, limit - half, bytes);
    const page = [...earlier.page, ...later.page];
    return { page, next: later.more ? (page.at(-1)?.seq ?? at - 1) : null, previous: earlier.more ? (page[0]?.seq ?? at) : null };
  };

  return {
    async runJournal({ params, query }, { access, reader, request, hold }) {
      const { run } = params;
      const journal = shownJournal(door, reader);
      findRun(door, access, 'run.payload', run);
      const { after, before, around, limit, wait_ms = 0 } = query;
      if ([after, before, around].filter((one) => one !== undefined).length > 1)
        throw new CorralError(
          'CORRAL_REQUEST_INVALID',
          'A page is `after` an entry, `before` one or `around` one; only one of these can be given.',
        );
      // Nothing more comes before an entry.
      const until = clock.monotonic() + (before === undefined && around === undefined ? wait_ms : 0);
      const held = hold(() => undefined);
      try {
        for (;;) {
          // Read before the journal: an end that comes in between is seen at the next look.
          const over = index.get(run)?.ended_as !== null;
          const { page, next, previous } = await pageAt(journal, run, { after, before, around }, limit);
          await mustStand(held);
          if (page.length > 0 || over || clock.monotonic() >= until || door.draining() || request.raw.destroyed) {
            const hashed = await host.hashes(run, (page[0]?.seq ?? 1) - 1, page.length);
            const hashes = new Map(hashed.map(({ seq, hash }) => [seq, hash]));
            const items = page.map((entry) => entryView(entry, hashes.get(entry.seq) ?? ''));
            return { items, next, previous, head: (await host.lastHash(run)) ?? null };
          }
          await pause(LOOK_MS);
        }
      } finally {
        held.close();
      }
    },
  };
}
