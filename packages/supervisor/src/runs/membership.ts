/**
 * This host as a node of its store. It joins before it takes up a run, reports regularly that it is alive, and leaves when it stops. If
 * other nodes may take its runs, it has a lease. A lease that was not renewed in time is lost: then the host drops the runs that it holds,
 * and joins again as another node.
 */
import { CorralError } from '@corral/protocol/errors';
import { MACHINE } from '@corral/protocol/limits';
import type { Clock } from '@corral/protocol/ports/machine';
import { ONLY_NODE, type Store } from '@corral/protocol/ports/store';
import { Signal } from '../events/signal.ts';

/** The name and the lease of this host among the nodes of its store. */
export interface NodeOptions {
  readonly name: string;
  /** Time without a sign of life after which other nodes may take its runs. Left out: the default of limits.ts. */
  readonly lease_ms?: number;
  /** How long before the lease runs out this host stops sending calls. */
  readonly margin_ms?: number;
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
  /** The store has said that this node is dead, and it has not joined again yet. */
  #isLost = false;
  /** When the last sign of life was sent that the store has accepted. Monotonic. */
  #sure_at = 0;
  /** Emitted when the lease was lost: the runs in this host's memory are no longer valid. */
  readonly lost = new Signal<[]>();
  /** Reads what a node must know before it takes a run; called after each join. */
  onJoin: () => Promise<void> = () => Promise.resolve();
  /** Learns what other nodes have decided; called before each sign of life, which does not count if this fails. */
  onBeat: () => Promise<void> = () => Promise.resolve();

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

  /** The number of this node; undefined while it has none. Each time that it joins, it gets another one. */
  get present(): number | undefined {
    return this.#node;
  }

  async join(): Promise<void> {
    const { store, clock, node } = this.#options;
    const asked_at = clock.monotonic();
    const joined = await store.join(node?.name ?? ONLY_NODE, clock.now(), this.#lease_ms);
    await this.onJoin();
    this.#node = joined;
    this.#sure_at = asked_at;
    this.#isLost = false;
    if (this.#lease_ms !== undefined) this.#beatSoon(this.#lease_ms / BEATS);
  }

  /** Reports that this node is alive. If the store counts it as dead already, it drops its runs and joins again. */
  async beat(): Promise<void> {
    const { store, clock } = this.#options;
    if (this.#isLost && !this.#closed) return this.#rejoin();
    const { node } = this;
    // Before it learns: what others decided before this time is known once the sign of life is accepted.
    const asked_at = clock.monotonic();
    if (this.isFleet) await this.onBeat();
    const lives = await store.beat(node, clock.now());
    if (this.#closed || node !== this.#node) return;
    if (lives) {
      this.#sure_at = Math.max(this.#sure_at, asked_at);
      return;
    }
    this.#node = undefined;
    this.#isLost = true;
    this.lost.emit();
    await this.#rejoin();
  }

  /**
   * Whether no other node can have taken the runs of this one. The lease began when the store took the last sign of life, so it runs
   * longer than the time since that was sent.
   */
  get isSure(): boolean {
    if (this.#lease_ms === undefined) return true;
    const margin_ms = this.#options.node?.margin_ms ?? MACHINE.node_margin_ms.default;
    return this.#node !== undefined && this.#options.clock.monotonic() - this.#sure_at < this.#lease_ms - margin_ms;
  }

  get #lease_ms(): number | undefined {
    const { node } = this.#options;
    return node === undefined ? undefined : (node.lease_ms ?? MACHINE.node_lease_ms.default);
  }

  /** Called when this host stops. */
  async leave(): Promise<void> {
    const { store, clock } = this.#options;
    this.#closed = true;
    this.#stopBeating?.();
    if (this.#node !== undefined) await store.leave(this.#node, clock.now());
  }

  /** If the store cannot answer now, the next beat tries again. */
  #rejoin(): Promise<void> {
    return (this.#joining ??= this.join().finally(() => (this.#joining = undefined)));
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
