/**
 * Finds what other nodes of the store have done to the runs of this one: runs that they took, messages that they sent, parents that ended
 * there, and what they have decided for all: quarantines, revocations, services.
 * A run that was taken is dropped before the next sign of life of this node counts. So once a lease has passed since the run was taken,
 * its former holder sends nothing for it any more, whether it is slow, stopped or cut off (see `Membership.isSure`).
 */
import type { Accounts } from '@corral/broker/accounts/accounts';
import type { RunId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Changes, Store } from '@corral/protocol/ports/store';
import type { Membership } from './membership.ts';
import type { Revival } from './revival.ts';
import type { Run } from './run.ts';
import type { Transitions } from '../events/transitions.ts';

export interface NeighboursOptions {
  readonly store: Pick<Store, 'changesSince' | 'holding' | 'mail' | 'orphans' | 'run' | 'spend'>;
  readonly clock: Clock;
  readonly accounts: Pick<Accounts, 'follow'>;
  readonly runs: ReadonlyMap<RunId, Run>;
  readonly membership: Pick<Membership, 'node'>;
  readonly revival: Pick<Revival, 'refresh'>;
  readonly services: { load(): Promise<void> };
  readonly transitions: Transitions;
}

export class Neighbours {
  readonly #options: NeighboursOptions;
  /** Up to where this node knows what was decided for all. */
  #version: number | undefined;
  /** It is learning now. */
  #following: Promise<void> | undefined;
  /** It learns again after that: all who ask until it begins share the answer. */
  #next: Promise<void> | undefined;
  /** Takes over quarantines and revocations. */
  onChanges: (changes: Changes) => Promise<void> = () => Promise.resolve();

  constructor(options: NeighboursOptions) {
    this.#options = options;
  }

  /**
   * Learns what was decided for all nodes since it was asked last. It is in force here when this resolves, also what an earlier call has
   * learned: a quarantine is known before the runs that it concerns stand still, and a sign of life must not go out in between.
   */
  follow(): Promise<void> {
    if (this.#following === undefined) return this.#begin();
    this.#next ??= this.#following
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.#begin();
      });
    return this.#next;
  }

  #begin(): Promise<void> {
    const following = this.#follow().finally(() => {
      if (this.#following === following) this.#following = undefined;
    });
    this.#following = following;
    return following;
  }

  async #follow(): Promise<void> {
    const { store, services } = this.#options;
    const changes = await store.changesSince(this.#version);
    await Promise.all([this.onChanges(changes), changes.services ? services.load() : undefined]);
    // Set last: what could not be followed is read again.
    this.#version = Math.max(this.#version ?? 0, changes.version);
  }

  /** Part of each sweep: finds messages for runs of this node, runs whose parents have ended elsewhere, and what was decided for all. */
  async look(): Promise<void> {
    const { store, membership, runs, revival, transitions } = this.#options;
    await this.follow();
    // Others may have given back what they had reserved. An account that looks used up here makes no commits that would show it.
    await this.#options.accounts.follow(store, this.#options.clock.now());
    for (const { run: id, last } of await store.mail(membership.node)) {
      const run = runs.get(id);
      if (run !== undefined && last > run.queue.lastInbox) await revival.refresh(run);
    }
    for (const orphan of await store.orphans()) transitions.lifecycle.onOrphaned.emit(orphan);
  }

  /** Called before each sign of life: follows what was decided, and drops the runs that other nodes have taken from this one. */
  async learn(): Promise<void> {
    await Promise.all([this.follow(), this.#drop()]);
  }

  async #drop(): Promise<void> {
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
