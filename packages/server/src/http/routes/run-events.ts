/**
 * Followers of one run: its journal as server-sent events, entry after entry. An event's id is its place in the journal, so a follower that
 * comes back, to this host or the next one, is told neither less nor twice.
 */
import type { RunEvent } from '@corral/protocol/api/run-events';
import type { RunId } from '@corral/protocol/ids';
import type { Entry } from '@corral/protocol/model/run';
import type { ServerContext } from '../context.ts';
import { effectsOf } from '../../evidence/calls.ts';
import { chunkIn } from '../../evidence/journal.ts';
import { entriesAfter, type ReadJournal } from '../../evidence/pages.ts';
import type { Feed } from '../../events/stream.ts';
import type { Held } from '../../people/sessions.ts';
import type { Outflow } from '../outflow.ts';

/** Entries, and bytes of them, that a read has. */
const PAGE = 50;
const PAGE_BYTES = 256 * 1024;
/** How often the journal is read where nothing wakes the follower: the run may be held by another host. */
const LOOK_MS = 500;

type Event = { readonly [K in RunEvent['kind']]: Omit<Extract<RunEvent, { kind: K }>, 'id' | 'at' | 'run'> }[RunEvent['kind']];

/** The events of an entry, in order. */
function* eventsIn(entry: Entry): Generator<Event> {
  const chunk = chunkIn(entry);
  if (chunk !== undefined) yield { kind: 'chunk', call: chunk.call, offset: chunk.offset, parts: [...chunk.parts] };
  for (const effect of effectsOf(entry))
    if (effect.kind === 'emit') yield { kind: 'emitted', event: effect.event, data: effect.data ?? null };
    else if (effect.kind === 'log') yield { kind: 'logged', level: effect.level, text: effect.text };
}

const frameOf = (run: RunId, seq: number, part: number, at: number, event: Event): string => {
  const id = `${seq}-${part}`;
  return `id: ${id}\nevent: ${event.kind}\ndata: ${JSON.stringify({ id, at, run, ...event })}\n\n`;
};

/** The events of an entry as they are written to a connection. */
interface Framed {
  readonly seq: number;
  readonly frames: readonly string[];
}

/** Reads journals for followers of runs. Those that are at the same place of the same run have one read between them. */
export class JournalReads {
  readonly #journal: ReadJournal;
  readonly #feed: Pick<Feed, 'count'>;
  readonly #under = new Map<string, Promise<readonly Framed[]>>();

  constructor(journal: ReadJournal, feed: Pick<Feed, 'count'>) {
    this.#journal = journal;
    this.#feed = feed;
  }

  /** The first entries after one. @param ended whether the reader knows that the run has ended, and so wants its last entries */
  after(run: RunId, seq: number, ended: boolean): Promise<readonly Framed[]> {
    // A read that began before the latest event, or before the end was known, may lack what has been written since.
    const key = `${run} ${seq} ${this.#feed.count} ${ended}`;
    const known = this.#under.get(key);
    if (known !== undefined) return known;
    const read = this.#read(run, seq).finally(() => this.#under.delete(key));
    this.#under.set(key, read);
    return read;
  }

  async #read(run: RunId, after: number): Promise<readonly Framed[]> {
    const { page } = await entriesAfter(this.#journal, run, after, PAGE, PAGE_BYTES);
    return page.map((entry) => {
      const { seq, at } = entry;
      return { seq, frames: [...eventsIn(entry)].map((event, part) => frameOf(run, seq, part, at, event)) };
    });
  }
}

/** Reads a run's events from its beginning, or from after one of them. */
export class RunHistory {
  readonly #context: ServerContext;
  readonly #reads: JournalReads;
  readonly #run: RunId;
  /** The last entry that was read whole. */
  #seq = 0;
  /** The event after which it begins: the entry, and its place there. */
  readonly #after: readonly [seq: number, part: number];

  constructor(context: ServerContext, reads: JournalReads, run: RunId, after: string | undefined) {
    this.#context = context;
    this.#reads = reads;
    this.#run = run;
    const [seq = 0, part = -1] = after?.split('-').map(Number) ?? [];
    this.#after = [seq, part];
    this.#seq = Math.max(0, seq - 1);
  }

  /** Whether all was told to the one who asks, the end included. */
  async isOver(): Promise<boolean> {
    const [seq] = this.#after;
    if (this.#endedAs() === null || seq === 0) return false;
    return (await this.#reads.after(this.#run, seq - 1, true)).length === 0;
  }

  /** Calls back for each event that was not read yet. @returns whether the run has ended and all was read */
  async read(tell: (frame: string) => Promise<boolean>): Promise<boolean> {
    for (;;) {
      // Before the journal: an end that comes in between is seen at the next look.
      const ended_as = this.#endedAs();
      const page = await this.#reads.after(this.#run, this.#seq, ended_as !== null);
      for (const { seq, frames } of page) {
        for (const [part, frame] of frames.entries()) {
          const isNew = seq > this.#after[0] || part > this.#after[1];
          if (isNew && !(await tell(frame))) return false;
        }
        this.#seq = seq;
      }
      if (page.length > 0) continue;
      if (ended_as === null) return false;
      await tell(frameOf(this.#run, this.#seq + 1, 0, this.#row()?.ended_at ?? 0, { kind: 'ended', ended_as }));
      return true;
    }
  }

  /** Calls back when there may be more. @returns what ends that */
  onMore(wake: () => void): () => void {
    return this.#context.feed.listen(({ run }) => {
      if (run === this.#run) wake();
    });
  }

  readonly #row = () => this.#context.index.get(this.#run);
  readonly #endedAs = () => this.#row()?.ended_as ?? null;
}

export class RunFollower {
  readonly #history: RunHistory;
  readonly #out: Outflow;
  /** There may be more than was read. */
  #woken = false;
  #wake: () => void = () => undefined;

  constructor(history: RunHistory, out: Outflow) {
    this.#history = history;
    this.#out = out;
  }

  begin(held: Held): void {
    this.#out.note(': following\n\n');
    const stop = this.#history.onMore(() => {
      this.#woken = true;
      this.#wake();
    });
    this.#out.begin(held, () => {
      stop();
      this.#wake();
    });
    // A journal that cannot be read is reported to the one who asks again.
    this.#tell().then(
      () => this.#out.end(),
      () => this.#out.end(),
    );
  }

  async #tell(): Promise<void> {
    while (await this.#out.isLet()) {
      this.#woken = false;
      const isOver = await this.#history.read(async (frame) => {
        if (!(await this.#out.isLet())) return false;
        await this.#out.send(frame);
        return !this.#out.ended;
      });
      if (isOver) return;
      await this.#more();
    }
  }

  async #more(): Promise<void> {
    if (this.#woken || this.#out.ended) return;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => resolve(undefined), LOOK_MS);
    this.#wake = () => resolve(undefined);
    await promise;
    clearTimeout(timer);
  }
}
