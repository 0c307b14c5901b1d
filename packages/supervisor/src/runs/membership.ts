/**
 * This host as a node of its store. It joins before it takes up a run, says regularly that it is alive, and leaves when it stops. Where
 * others may take its runs, it has a lease: one that could not be renewed in time is lost, and then the host gives up what it holds and
 * joins again as another node.
 */
import { CorralError } from '@corral/protocol/errors';
import type { Clock } from '@corral/protocol/ports/machine';
import { ONLY_NODE, type Store } from '@corral/protocol/ports/store';
import { Signal } from '../events/signal.ts';

/** The name and the lease of this host among the nodes of its store. */
export interface NodeOptions {
  readonly name: string;
  /** How long the others wait for a sign of life before they take its runs. */
  readonly lease_ms: number;
}

export interface MembershipOptions {
  readonly store: Pick<Store, 'join' | 'beat' | 'leave'>;
  readonly clock: Clock;
  /** Left out: the store is this host's alone. */
  readonly node: NodeOptions | undefined;
}

/** Beats in the time of a lease. */
const BEATS = 5;

export class Membership {
  readonly #options: MembershipOptions;
  #node: number | undefined;
  #stopBeating: (() => void) | undefined;
  #joining: Promise<void> | undefined;
  #closed = false;
  /** The lease was lost: what this host holds in memory is worth nothing any more. */
  readonly lost = new Signal<[]>();

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /** Whether others may take runs from this host. */
  get isFleet(): boolean {
    return this.#options.node !== undefined;
  }

  get isJoined(): boolean {
    return this.#node !== undefined;
  }

  /** The number of this node. @throws CORRAL_STARTING before it has joined, CORRAL_STOPPING once it leaves */
  get node(): number {
    if (this.#closed) throw new CorralError('CORRAL_STOPPING', 'This host is shutting down.');
    if (this.#node === undefined) throw new CorralError('CORRAL_STARTING', 'This host has not joined its store yet.');
    return this.#node;
  }

  async join(): Promise<void> {
    const { store, clock, node } = this.#options;
    this.#node = await store.join(node?.name ?? ONLY_NODE, clock.now(), node?.lease_ms);
    if (node !== undefined) this.#beatSoon(node.lease_ms / BEATS);
  }

  /** A sign of life. If the store takes this node for dead, what it holds is given up, and it joins again. */
  async beat(): Promise<void> {
    const { store, clock } = this.#options;
    const { node } = this;
    if ((await store.beat(node, clock.now())) || this.#closed || node !== this.#node) return;
    await (this.#joining ??= this.#rejoin().finally(() => (this.#joining = undefined)));
  }

  /** This host stops. */
  async leave(): Promise<void> {
    const { store, clock } = this.#options;
    this.#closed = true;
    this.#stopBeating?.();
    if (this.#node !== undefined) await store.leave(this.#node, clock.now());
  }

  async #rejoin(): Promise<void> {
    this.#node = undefined;
    this.#stopBeating?.();
    this.lost.emit();
    await this.join();
  }

  #beatSoon(ms: number): void {
    if (this.#closed) return;
    this.#stopBeating?.();
    this.#stopBeating = this.#options.clock.after(ms, () => {
      // A store that cannot answer now is asked again; the lease goes on meanwhile.
      void this.beat()
        .catch(() => undefined)
        .finally(() => this.#beatSoon(ms));
    });
  }
}
