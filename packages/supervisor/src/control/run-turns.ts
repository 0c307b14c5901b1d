/** Operations on one run take turns, so that each finds what the one before has left. */
import type { Broker } from '@corral/broker/broker';
import { CorralError } from '@corral/protocol/errors';
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Store } from '@corral/protocol/ports/store';
import type { Residency } from '../runs/residency.ts';
import type { Run } from '../runs/run.ts';

export const isFull = (error: unknown): boolean => error instanceof CorralError && error.code === 'CORRAL_DISK_FULL';

export const isSpent = (error: unknown): boolean => error instanceof CorralError && error.code === 'CORRAL_SPENT_ELSEWHERE';

export const isStale = (error: unknown): boolean => error instanceof CorralError && error.code === 'CORRAL_EPOCH_STALE';

/**
 * Checks that a run has not ended. To be called in the same synchronous step in which a command is carried out, because another command may
 * end the run in between.
 * @throws CORRAL_RUN_UNKNOWN
 */
export function alive(id: RunId, run: Run | undefined): Run {
  if (run === undefined || run.outcome !== undefined)
    throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${id} that has not ended.`);
  return run;
}

export interface RunTurnsOptions {
  readonly clock: Clock;
  readonly residency: Pick<Residency, 'hold'>;
  readonly store: Pick<Store, 'spend'>;
  readonly broker: Pick<Broker, 'accounts'>;
}

export class RunTurns {
  readonly #options: RunTurnsOptions;
  /** The last operation on each run. */
  readonly #turns = new Map<RunId, Promise<unknown>>();

  constructor(options: RunTurnsOptions) {
    this.#options = options;
  }

  /**
   * Runs the operations on one run one after the other, each after a crank that is being decided; a kill does not wait. An operation that
   * awaits something enters again before it records anything, because the next crank may be being decided by then.
   * @param work `began`: when the operation was asked for, on the monotonic clock
   * @param waits whether it waits for a crank that is being decided
   */
  async take<T>(id: RunId, work: (run: Run, began: number) => Promise<T>, waits = true): Promise<T> {
    const began = this.#options.clock.monotonic();
    const before = this.#turns.get(id);
    const turn = (async () => {
      await before?.catch(() => undefined);
      let tenant: TenantId | undefined;
      const attempt = async (): Promise<T> => {
        const run = alive(id, await this.#options.residency.hold(id));
        ({ tenant } = run);
        // It stays in memory until the operation is in its journal; if it were parked before, the store would have its earlier state.
        const letGo = run.keep();
        try {
          // The store may have refused the run's commits meanwhile; then the run comes back from the store as another object.
          const now = () => (run.outcome === undefined ? work(run, began) : attempt());
          return await (waits ? run.behind.enter(now) : now());
        } finally {
          letGo();
        }
      };
      try {
        return await attempt();
      } catch (error) {
        // A commit that did not fit on the disk fails those after it too. Try once more from the durable state; the store keeps space for
        // that. A commit that is stale was refused since another node has taken the run: then the claim names that node.
        if (isFull(error) || isStale(error)) return attempt();
        if (!isSpent(error)) throw error;
        // Other nodes have spent what a person wants to reserve. The operation says so once that has been read.
        const { broker, store, clock } = this.#options;
        await broker.accounts?.follow(store, clock.now(), tenant);
        return attempt();
      }
    })();
    this.#turns.set(id, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(id) === turn) this.#turns.delete(id);
    }
  }
}
