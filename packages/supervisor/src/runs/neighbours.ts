/**
 * Finds what other nodes of the store have done to the runs of this one: runs that they took, messages that they sent, parents that ended
 * there.
 * A run that was taken is dropped before the next sign of life of this node counts. So once a lease has passed since the run was taken,
 * its former holder sends nothing for it any more, whether it is slow, stopped or cut off (see `Membership.isSure`).
 */
import type { RunId } from '@corral/protocol/ids';
import type { Store } from '@corral/protocol/ports/store';
import type { Membership } from './membership.ts';
import type { Revival } from './revival.ts';
import type { Run } from './run.ts';
import type { Transitions } from '../events/transitions.ts';

export interface NeighboursOptions {
  readonly store: Pick<Store, 'holding' | 'mail' | 'orphans' | 'run'>;
  readonly runs: ReadonlyMap<RunId, Run>;
  readonly membership: Pick<Membership, 'node'>;
  readonly revival: Pick<Revival, 'refresh'>;
  readonly services: { load(): Promise<void> };
  readonly transitions: Transitions;
}

export class Neighbours {
  readonly #options: NeighboursOptions;

  constructor(options: NeighboursOptions) {
    this.#options = options;
  }

  /** Part of each sweep: finds messages for runs of this node, runs whose parents have ended elsewhere, and services. */
  async look(): Promise<void> {
    const { store, membership, runs, revival, services, transitions } = this.#options;
    await services.load();
    for (const { run: id, last } of await store.mail(membership.node)) {
      const run = runs.get(id);
      if (run !== undefined && last > run.queue.lastInbox) await revival.refresh(run);
    }
    for (const orphan of await store.orphans()) transitions.lifecycle.onOrphaned.emit(orphan);
  }

  /** Called before each sign of life: drops the runs that other nodes have taken from this one. */
  async learn(): Promise<void> {
    const { store, membership, runs } = this.#options;
    const before = [...runs.values()].map((run) => [run, run.epoch] as const);
    const held = new Set(await store.holding(membership.node));
    for (const [run, epoch] of before) if (!held.has(run.id)) await this.#check(run, epoch);
  }

  /** A run that was not among those that the store says this node holds: it may also have been parked or have ended in between. */
  async #check(run: Run, epoch: number): Promise<void> {
    const { store, runs, transitions } = this.#options;
    const isOurs = () => runs.get(run.id) === run && run.epoch === epoch && run.outcome === undefined && run.parking === undefined;
    if (!isOurs()) return;
    const stored = await store.run(run.id);
    const isTaken = stored !== undefined && (stored.epoch > epoch || stored.status.lifecycle === 'ended');
    if (isTaken && isOurs()) transitions.residency.onTaken.emit(run);
  }
}
