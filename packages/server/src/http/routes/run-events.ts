/**
 * Followers of one run: its journal as server-sent events, entry after entry. An event's id is its place in the journal, so a follower that
 * comes back, to this host or the next one, is told neither less nor twice.
 */
import type { ServerResponse } from 'node:http';
import type { RunEvent } from '@corral/protocol/api/run-events';
import type { RunId } from '@corral/protocol/ids';
import type { Entry } from '@corral/protocol/model/run';
import type { ServerContext } from '../context.ts';
import { chunkIn, effectsOf } from '../../evidence/journal.ts';
import { entriesAfter } from '../../evidence/pages.ts';
import type { Held } from '../../people/sessions.ts';
import { Outflow, type FollowerTold } from '../outflow.ts';

/** Entries, and bytes of them, that are in memory at a time. */
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

/** Reads a run's events from its beginning, or from after one of them. */
export class RunHistory {
  readonly #context: ServerContext;
  readonly #run: RunId;
  /** The last entry that was read whole. */
  #seq = 0;
  /** The event after which it begins: the entry, and its place there. */
  readonly #after: readonly [seq: number, part: number];

  constructor(context: ServerContext, run: RunId, after: string | undefined) {
    this.#context = context;
    this.#run = run;
    const [seq = 0, part = -1] = after?.split('-').map(Number) ?? [];
    this.#after = [seq, part];
    this.#seq = Math.max(0, seq - 1);
  }

  /** Whether all was told to the one who asks, the end included. */
  async isOver(): Promise<boolean> {
    const [seq] = this.#after;
    if (this.#endedAs() === null || seq === 0) return false;
    return (await this.#page(seq - 1)).page.length === 0;
  }

  /** Calls back for each event that was not read yet. @returns whether the run has ended and all was read */
  async read(tell: (frame: string) => Promise<boolean>): Promise<boolean> {
    for (;;) {
      // Before the journal: an end that comes in between is seen at the next look.
      const ended_as = this.#endedAs();
      const { page } = await this.#page(this.#seq);
      for (const entry of page) {
        let part = 0;
        for (const event of eventsIn(entry)) {
          const isNew = entry.seq > this.#after[0] || part > this.#after[1];
          if (isNew && !(await tell(this.#frame(entry.seq, part, entry.at, event)))) return false;
          part += 1;
        }
        this.#seq = entry.seq;
      }
      if (page.length > 0) continue;
      if (ended_as === null) return false;
      await tell(this.#frame(this.#seq + 1, 0, this.#row()?.ended_at ?? 0, { kind: 'ended', ended_as }));
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
  readonly #page = (after: number) => entriesAfter((...of) => this.#context.host.journal(...of), this.#run, after, PAGE, PAGE_BYTES);

  #frame(seq: number, part: number, at: number, event: Event): string {
    const id = `${seq}-${part}`;
    return `id: ${id}\nevent: ${event.kind}\ndata: ${JSON.stringify({ id, at, run: this.#run, ...event })}\n\n`;
  }
}

export class RunFollower {
  readonly #history: RunHistory;
  readonly #gone: () => void;
  readonly #out: Outflow;
  #held: Held | undefined;
  #ended = false;
  #stop: () => void = () => undefined;
  /** There may be more than was read. */
  #woken = false;
  #wake: () => void = () => undefined;

  constructor(history: RunHistory, raw: ServerResponse, { slow, gone }: FollowerTold) {
    this.#history = history;
    this.#gone = gone;
    this.#out = new Outflow(raw, slow);
    raw.on('close', () => this.end());
    raw.write(': following\n\n');
  }

  begin(held: Held): void {
    this.#held = held;
    this.#stop = this.#history.onMore(() => {
      this.#woken = true;
      this.#wake();
    });
    // A journal that cannot be read is reported to the one who asks again.
    this.#tell().then(
      () => this.end(),
      () => this.end(),
    );
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#held?.close();
    this.#stop();
    this.#wake();
    this.#gone();
    this.#out.end();
  }

  async #tell(): Promise<void> {
    while (await this.#isLet()) {
      this.#woken = false;
      const isOver = await this.#history.read(async (frame) => {
        if (!(await this.#isLet())) return false;
        await this.#out.send(frame);
        return !this.#ended;
      });
      if (isOver) return;
      await this.#more();
    }
  }

  /** Whether it may be told more: its principal is checked now and then. */
  async #isLet(): Promise<boolean> {
    while (this.#held?.checking !== undefined) await this.#held.checking;
    return !this.#ended && this.#held?.ended !== true;
  }

  async #more(): Promise<void> {
    if (this.#woken || this.#ended) return;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => resolve(undefined), LOOK_MS);
    this.#wake = () => resolve(undefined);
    await promise;
    clearTimeout(timer);
  }
}
