/**
 * This host as a node of its store. It joins before it takes up a run, reports regularly that it is alive, and leaves when it stops. If
 * other nodes may take its runs, it has a lease. A lease that was not renewed in time is lost: then the host drops the runs that it holds,
 * and joins again as another node.
 */
import { CorralError } from '@corral/protocol/errors';
import type { Clock } from '@corral/protocol/ports/machine';
import { ONLY_NODE, type Store } from '@corral/protocol/ports/store';
import { Signal } from '../events/signal.ts';

/** The name and the lease of this host among the nodes of its store. */
export interface NodeOptions {
  readonly name: string;
  /** Time without a sign of life after which other nodes may take its runs. */
  readonly lease_ms: number;
}

export interface MembershipOptions {
  readonly store: Pick<Store, 'join' | 'beat' | 'leave'>;
  readonly clock: Clock;
  /** Undefined if no other host uses the store. */
  readonly node: NodeOptions | undefined;
}

/** Number of beats (signs of life) within a lease. */
const BEATS = 5;

export class Membership {
  readonly #options: MembershipOptions;
  #node: number | undefined;
  #stopBeating: (() => void) | undefined;
  #joining: Promise<void> | undefined;
  #closed = false;
  /** Emitted when the lease was lost: the runs in this host's memory are no longer valid. */
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

  /** The number of this node. @throws CORRAL_STARTING before it has joined, CORRAL_STOPPING after it has begun to leave */
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

  /** Reports that this node is alive. If the store counts it as dead already, it drops its runs and joins again. */
  async beat(): Promise<void> {
    const { store, clock } = this.#options;
    const { node } = this;
    if ((await store.beat(node, clock.now())) || this.#closed || node !== this.#node) return;
    await (this.#joining ??= this.#rejoin().finally(() => (this.#joining = undefined)));
  }

  /** Called when this host stops. */
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
      // If the store cannot answer now, the next beat tries again; the lease runs on meanwhile.
      void this.beat()
        .catch(() => undefined)
        .finally(() => this.#beatSoon(ms));
    });
  }
}
