/**
 * The list of runs, as far as it was read: newest first, a page at a time. A change reads the first page again and puts it in place of the rows
 * that it covers; of changed runs further down, only those that are shown are read again.
 */
import { signal } from '@preact/signals';
import type { RouteAnswer, RouteInput } from '@corral/protocol/api/routes';
import { ask, isAbort, Refusal } from './api.ts';
import type { Changed } from './live.ts';

export type RunRow = RouteAnswer<'listRuns'>['items'][number];
type Query = NonNullable<RouteInput<'listRuns'>['query']>;

/** The first page is read again with every change, so it is short. */
const FIRST = 100;
const MORE = 500;
/** Changed runs that are read by themselves at once. */
const SINGLY = 20;

export class RunList {
  readonly rows = signal<readonly RunRow[]>([]);
  /** Whether there are more than were read. */
  readonly more = signal(true);
  readonly busy = signal(false);
  readonly error = signal<Refusal | undefined>(undefined);
  readonly #query: Query;
  readonly #gone = new AbortController();
  #next: string | undefined;
  #reading = false;
  #refreshing = false;
  #again = false;

  constructor(query: Query) {
    this.#query = query;
  }

  close(): void {
    this.#gone.abort();
  }

  /** Reads one more page. */
  async read(): Promise<void> {
    if (this.#reading || !this.more.value) return;
    this.#reading = true;
    this.busy.value = true;
    await this.#trying(async () => {
      const limit = this.#next === undefined ? FIRST : MORE;
      const page = await this.#page({ limit, ...(this.#next === undefined ? {} : { cursor: this.#next }) });
      const known = new Set(this.rows.value.map(({ run }) => run));
      this.rows.value = [...this.rows.value, ...page.items.filter(({ run }) => !known.has(run))];
      this.#next = page.next ?? undefined;
      this.more.value = page.next !== null;
    });
    this.#reading = false;
    this.busy.value = false;
  }

  /** Reads all that there is, until told to stop. */
  async readAll(goesOn: () => boolean): Promise<void> {
    while (this.more.value && !this.#gone.signal.aborted && this.error.value === undefined && goesOn()) await this.read();
  }

  /** @param shown runs that are in the document */
  async refresh(changed: Changed, shown: ReadonlySet<string>): Promise<void> {
    if (this.#refreshing) {
      this.#again = true;
      return;
    }
    this.#refreshing = true;
    await this.#trying(async () => {
      const page = await this.#page({ limit: FIRST });
      this.#replace(page);
      const covered = new Set(page.items.map(({ run }) => run));
      const singly = [...shown].filter((run) => !covered.has(run as RunRow['run']) && (changed === undefined || changed.has(run)));
      const read = await Promise.all(
        singly
          .slice(0, SINGLY)
          .map((run) => ask('showRun', { params: { run: run as RunRow['run'] } }, this.#gone.signal).catch(() => undefined)),
      );
      const by = new Map(read.filter((one) => one !== undefined).map((one) => [one.run, one as RunRow]));
      if (by.size > 0) this.rows.value = this.rows.value.map((row) => by.get(row.run) ?? row);
    });
    this.#refreshing = false;
    if (!this.#again) return;
    this.#again = false;
    await this.refresh(undefined, shown);
  }

  #replace({ items, next }: RouteAnswer<'listRuns'>): void {
    const old = this.rows.value;
    const last = items.at(-1)?.run;
    const at = old.findIndex(({ run }) => run === last);
    if (next === null || at < 0) {
      // The page is the whole list, or does not reach the rows that were read: the list begins again.
      this.rows.value = items;
      this.#next = next ?? undefined;
      this.more.value = next !== null;
    } else this.rows.value = [...items, ...old.slice(at + 1)];
  }

  #page(at: { readonly limit: number; readonly cursor?: string }): Promise<RouteAnswer<'listRuns'>> {
    return ask('listRuns', { query: { ...this.#query, ...at } }, this.#gone.signal);
  }

  async #trying(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.error.value = undefined;
    } catch (error) {
      if (!isAbort(error)) this.error.value = error instanceof Refusal ? error : new Refusal(0, 'CORRAL_INTERNAL', String(error), '');
    }
  }
}
