/** Writes down what runs in memory have used so far: lists are sorted by it. */
import type { RunIndex, Spent } from '@corral/protocol/ports/front';
import type { RunView } from '@corral/supervisor';

/** Runs whose use is written down at once at most: it is done on the thread on which runs are decided. */
const USES = 100;
/** The use of a run as one text, to see that it changed. */
const usedBy = ({ cpu_ms, calls, tokens, money_micros }: Spent): string => `${cpu_ms} ${calls} ${tokens} ${money_micros}`;

export class UseWriter {
  readonly #index: Pick<RunIndex, 'used'>;
  /** By run in memory: the use that was last written down. */
  readonly #used = new Map<string, string>();
  #from = 0;

  constructor(index: Pick<RunIndex, 'used'>) {
    this.#index = index;
  }

  /** Where many runs have used something, they take turns. @throws CORRAL_DISK_FULL */
  write(views: readonly RunView[]): void {
    const live = views.filter(({ outcome }) => outcome === undefined);
    const here = new Set<string>(live.map(({ id }) => id));
    for (const id of this.#used.keys()) if (!here.has(id)) this.#used.delete(id);
    const changed = live.filter((view) => this.#used.get(view.id) !== usedBy(view));
    const from = changed.length <= USES ? 0 : this.#from % changed.length;
    this.#from = from + USES;
    const some = changed.slice(from, from + USES);
    // A run whose submitter has not listed it yet has no row.
    const written = this.#index.used(some);
    for (const view of some) if (written.has(view.id)) this.#used.set(view.id, usedBy(view));
  }
}
