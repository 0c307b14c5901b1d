/** Promises that wait for the ends of runs, on this host or another node. */
import type { Clock } from '@corral/protocol/ports/machine';
import type { RunId } from '@corral/protocol/ids';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Membership } from './membership.ts';
import type { Store } from '@corral/protocol/ports/store';

export interface EndsOptions {
  readonly store: Pick<Store, 'run'>;
  readonly runs: { has(id: RunId): boolean };
  readonly clock: Clock;
  readonly membership: Pick<Membership, 'isFleet'>;
}

/** Time between two questions to the store about the end of a run that another node holds. Milliseconds. */
const FOLLOW_MS = 1_000;

export class Ends {
  readonly #options: EndsOptions;
  #closed = false;
  readonly #waiters = new Map<RunId, ((outcome: Outcome) => void)[]>();

  constructor(options: EndsOptions) {
    this.#options = options;
  }

  /** Resolves with the outcome of a run once it is durable, and at once if it is already; never rejects. */
  ended(id: RunId): Promise<Outcome> {
    const { runs, membership } = this.#options;
    const ended = new Promise<Outcome>((resolve) => this.#waiters.set(id, [...(this.#waiters.get(id) ?? []), resolve]));
    if (!runs.has(id)) void this.#lookUp(id).then(() => membership.isFleet && this.follow(id));
    return ended;
  }

  /** Called when a run goes on at another node: its end is looked up in the store at intervals, if somebody here waits for it. */
  follow(id: RunId): void {
    const { runs, clock } = this.#options;
    // If it is in memory again, the lifecycle reports its end.
    if (this.#closed || !this.#waiters.has(id) || runs.has(id)) return;
    clock.after(FOLLOW_MS, () => void this.#lookUp(id).then(() => this.follow(id)));
  }

  close(): void {
    this.#closed = true;
  }

  async #lookUp(id: RunId): Promise<void> {
    const stored = await this.#options.store.run(id).catch(() => undefined);
    if (stored?.status.outcome !== undefined) this.resolve(id, stored.status.outcome);
  }

  /** Called when a run has ended, durably or as far as this host can know; resolves the promises that wait for it. */
  resolve(id: RunId, outcome: Outcome): void {
    const waiters = this.#waiters.get(id) ?? [];
    this.#waiters.delete(id);
    for (const then of waiters) then(outcome);
  }
}
