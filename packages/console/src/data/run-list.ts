/**
 * The list of runs, as far as it was read: a page at a time, in the order that the host sorts them in. A change reads the first page again and puts
 * it in place of the rows that it covers; rows further down that have changed are read again when they are shown.
 */
import { signal } from '@preact/signals';
import type { RouteAnswer, RouteInput } from '@corral/protocol/api/routes';
import { ask, asRefusal, isAbort, type Refusal } from './api.ts';
import type { Changed } from './live.ts';
import { seen } from './visible.ts';

export type RunRow = RouteAnswer<'listRuns'>['items'][number];
type Page = RouteAnswer<'listRuns'>;
export type RunsWanted = NonNullable<RouteInput<'listRuns'>['query']>;

/** The first page is read again with every change, so it is short. */
const FIRST = 100;
const MORE = 500;
/** Changed runs that are read by themselves at once. */
const SINGLY = 20;
/** Rows that somebody only scrolls past are not read. */
const STILL_MS = 150;
/** All that match are counted at most this often. */
const COUNT_MS = 5_000;

export class RunList {
  readonly rows = signal<readonly RunRow[]>([]);
  /** Whether there are more than were read. */
  readonly more = signal(true);
  /** How many match, read or not; undefined until the host has counted. */
  readonly total = signal<number | undefined>(undefined);
  readonly busy = signal(false);
  readonly error = signal<Refusal | undefined>(undefined);
  readonly #wanted: RunsWanted;
  readonly #gone = new AbortController();
  /** Counts how often the list began again: a page that was asked for before is not the next one of its rows. */
  #generation = 0;
  #next: string | undefined;
  #reading = false;
  #refreshing = false;
  #again = false;
  /** Runs that have changed since their rows were read. */
  readonly #stale = new Set<string>();
  #shown: ReadonlySet<string> = new Set();
  #looking: ReturnType<typeof setTimeout> | undefined;
  #counted = Number.NEGATIVE_INFINITY;
  #counting: ReturnType<typeof setTimeout> | undefined;

  constructor(wanted: RunsWanted) {
    this.#wanted = wanted;
  }

  close(): void {
    this.#gone.abort();
    clearTimeout(this.#looking);
    clearTimeout(this.#counting);
  }

  /** Reads one more page. */
  async read(): Promise<void> {
    if (this.#reading || !this.more.value) return;
    this.#reading = true;
    this.busy.value = true;
    const generation = this.#generation;
    const cursor = this.#next;
    let isOld = false;
    await this.#trying(async () => {
      const page = await this.#page(cursor === undefined ? { limit: FIRST } : { limit: MORE, cursor });
      isOld = generation !== this.#generation;
      if (isOld) return;
      if (cursor === undefined) this.#begin(page);
      else this.#add(page);
    });
    this.#reading = false;
    this.busy.value = false;
    // The list has its first page by another read.
    if (isOld && cursor !== undefined) await this.read();
  }

  /** Reads all that there is, until told to stop. */
  async readAll(goesOn: () => boolean): Promise<void> {
    while (this.more.value && !this.#gone.signal.aborted && this.error.value === undefined && goesOn()) await this.read();
  }

  /** Reads again what has changed, of what is shown. */
  async refresh(changed: Changed): Promise<void> {
    if (changed === undefined) for (const { run } of this.rows.value) this.#stale.add(run);
    else for (const run of changed) this.#stale.add(run);
    if (this.#refreshing) {
      this.#again = true;
      return;
    }
    this.#refreshing = true;
    do {
      this.#again = false;
      await this.#trying(async () => {
        await this.#readFirst();
        await this.#readShown();
      });
    } while (this.#again && !this.#gone.signal.aborted);
    this.#refreshing = false;
  }

  /** @param runs whose rows are in the document now: those of them that have changed are read again */
  look(runs: ReadonlySet<string>): void {
    this.#shown = runs;
    clearTimeout(this.#looking);
    this.#looking = setTimeout(() => void this.#trying(() => this.#readShown()), STILL_MS);
  }

  /**
   * Rows in the order of their admission stay where they are. In any other order a row may move, so all rows that were read are read again, as far
   * as one page has them; a longer list keeps its order until it is asked for once more.
   */
  get #isFixed(): boolean {
    return (this.#wanted.sort ?? 'created') === 'created';
  }

  async #readFirst(): Promise<void> {
    const had = this.rows.value.length;
    if (!this.#isFixed && had > MORE) return;
    const page = await this.#page({ limit: this.#isFixed ? FIRST : Math.min(MORE, Math.max(FIRST, had)) });
    for (const { run } of page.items) this.#stale.delete(run);
    const old = this.rows.value;
    const last = page.items.at(-1)?.run;
    const at = this.#isFixed ? old.findIndex(({ run }) => run === last) : -1;
    // The page is the whole list, or does not reach the rows that were read: the list begins again.
    if (page.next === null || at < 0) this.#begin(page);
    else this.rows.value = [...page.items, ...old.slice(at + 1)];
  }

  async #readShown(): Promise<void> {
    const ids = [...this.#shown].filter((run) => this.#stale.has(run)).slice(0, SINGLY);
    if (ids.length === 0) return;
    const read = await Promise.all(
      ids.map((run) => ask('showRun', { params: { run: run as RunRow['run'] } }, this.#gone.signal).catch(() => undefined)),
    );
    const by = new Map<string, RunRow>(read.filter((one) => one !== undefined).map((one) => [one.run, one]));
    for (const run of by.keys()) this.#stale.delete(run);
    if (by.size > 0) this.rows.value = this.rows.value.map((row) => by.get(row.run) ?? row);
  }

  #begin({ items, next }: Page): void {
    this.#generation += 1;
    this.#stale.clear();
    this.rows.value = items;
    this.#next = next ?? undefined;
    this.more.value = next !== null;
  }

  #add({ items, next }: Page): void {
    const known = new Set(this.rows.value.map(({ run }) => run));
    this.rows.value = [...this.rows.value, ...items.filter(({ run }) => !known.has(run))];
    this.#next = next ?? undefined;
    this.more.value = next !== null;
  }

  async #page(at: { readonly limit: number; readonly cursor?: string }): Promise<Page> {
    const counts = at.cursor === undefined && this.#mayCount();
    const page = await ask('listRuns', { query: { ...this.#wanted, ...at, ...(counts ? { total: 'true' } : {}) } }, this.#gone.signal);
    if (page.total !== undefined) this.total.value = page.total;
    return page;
  }

  /** A count that is not due yet follows when it is. */
  #mayCount(): boolean {
    const left = this.#counted + COUNT_MS - performance.now();
    if (left > 0) {
      this.#counting ??= setTimeout(() => {
        this.#counting = undefined;
        void seen(this.#gone.signal).then(() => this.refresh(new Set()));
      }, left);
      return false;
    }
    this.#counted = performance.now();
    return true;
  }

  async #trying(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.error.value = undefined;
    } catch (error) {
      if (!isAbort(error)) this.error.value = asRefusal(error);
    }
  }
}
