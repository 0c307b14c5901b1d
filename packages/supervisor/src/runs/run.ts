/** A run as its supervisor holds it: the four axes of its state, what waits for it, where it sits. */
import type { Ledger } from '@corral/broker/ledger';
import type { PendingDelivery, Result } from '@corral/protocol/delivery';
import type { GrantId, RunId, TenantId } from '@corral/protocol/ids';
import type { AgentManifest } from '@corral/protocol/manifest';
import type { Outcome } from '@corral/protocol/outcome';
import type { Control, Lifecycle, Residency, WaitingOn } from '@corral/protocol/run';
import type { LoadedBundle } from '../bundles.ts';
import type { Cell } from '../cells/cell.ts';

/** A delivery that waits its turn. */
export interface Queued {
  readonly delivery: PendingDelivery;
  /** Its number in the store's inbox, where it came from there. */
  readonly inbox: number | undefined;
}

/** Grants that were made for the receiver of a delivery. */
export const grantsIn = (delivery: PendingDelivery): GrantId[] =>
  delivery.kind === 'message' ? (delivery.caps ?? []).map(({ grant }) => grant) : [];

/** A delivery on the CPU, as it was sent. */
export interface OnCpu extends Queued {
  readonly crank: number;
  readonly at: number;
  readonly text: string;
}

/** An isolate in a cell. */
export interface Seat {
  readonly cell: Cell;
  readonly assignment: number;
}

/** A millisecond of replay counts like so many milliseconds of having been used more lately. */
const REPLAY_WEIGHT = 100;

export class Run {
  readonly ledger: Ledger;
  bundle: LoadedBundle;
  epoch: number;
  control: Control = 'none';
  outcome: Outcome | undefined;
  readonly queue: Queued[] = [];
  /** Number of the last inbox item that was put in the queue. */
  lastInbox = 0;
  /** It is being given up to the store and must not be touched until that is decided. */
  parking: Promise<void> | undefined;
  /** Answers of its calls that the store had when it was brought back. */
  kept: readonly Result[] = [];
  /** It came out of a backup, and nobody has looked at it since. */
  restored = false;
  /** How many have just asked for it and are about to do something with it. */
  asked = 0;
  /** Whether it can ever wake is being looked up. */
  doubted = false;
  seat: Seat | undefined;
  onCpu: OnCpu | undefined;
  /** Time stamp of the last delivery: time never goes back for a run. */
  lastAt = 0;
  /** Cells that died under its current crank. */
  losses = 0;
  heap_kib = 0;
  /** When it last was on the CPU. */
  lastUsed = 0;
  /** Since when it has had something to do without a crank of it being completed. */
  busySince: number | undefined;
  /** When its first crank began, on the monotonic clock. */
  began: number | undefined;
  /** When its last crank began. */
  crankBegan = 0;
  /** What that crank had used of the CPU when it was stopped, and when that was. */
  #stopped: { readonly used_ms: number; readonly at: number } | undefined;
  /** Calls off the look at whether its wall time is over. */
  stopWall: (() => void) | undefined;
  readonly timers = new Map<number, () => void>();
  /** It is slowed: nothing is given to it before this is over. */
  stopSlow: (() => void) | undefined;
  /** Calls off the end that a cancelled run meets when its grace is over. */
  stopGrace: (() => void) | undefined;

  constructor(ledger: Ledger, bundle: LoadedBundle, epoch: number) {
    this.ledger = ledger;
    this.bundle = bundle;
    this.epoch = epoch;
  }

  /** Tells its clock whether its own time passes now: not while it has something to do, and is not on a CPU. */
  tick(monotonic: number): void {
    const free = this.isFree;
    const busy = this.onCpu !== undefined || this.hasWork;
    if (free && busy) this.busySince ??= monotonic;
    else this.busySince = undefined;
    this.ledger.wall.give(monotonic, free && (this.onCpu !== undefined || !busy));
  }

  /** Wall time that is left to it. */
  wallLeft_ms(monotonic: number): number {
    return this.ledger.record.ceilings.wall_ms - this.ledger.wall.own(monotonic);
  }

  /** How much is lost with its isolate, to be compared: the more lately it was used, and the dearer it is to replay, the more. */
  get worth(): number {
    return this.lastUsed + (this.ledger.segment_cpu_us / 1000) * REPLAY_WEIGHT;
  }

  /** Its crank was stopped, after so much time on the CPU. */
  stopCrank(used_ms: number, at: number): void {
    this.#stopped = { used_ms, at };
  }

  /** Time since its last crank began; for one that was stopped, its time on the CPU and the time since then. */
  crankAge(now: number): number {
    if (this.began === undefined) return 0;
    return this.#stopped === undefined ? now - this.crankBegan : this.#stopped.used_ms + now - this.#stopped.at;
  }

  /** What it would be given next: of an instance of a service, a message only once it has kept what came of the one before. */
  get #next(): number {
    const { record, asked } = this.ledger;
    if (record.service === undefined) return this.queue.length === 0 ? -1 : 0;
    if (asked.turn) return this.queue.findIndex(({ delivery }) => delivery.kind !== 'message');
    const [first] = this.queue;
    if (first?.delivery.kind !== 'start' || !this.hasState) return this.queue.length === 0 ? -1 : 0;
    // It stays where it is until somebody writes to it; then it begins its turn in a new isolate.
    return this.queue.some(({ delivery: { kind } }) => kind === 'message' || kind === 'cancel') ? 0 : -1;
  }

  /** Of an instance: it has kept something, be it what it begins with. */
  get hasState(): boolean {
    return this.ledger.checkpoint !== undefined || this.ledger.record.service?.state !== undefined;
  }

  /** Something waits for it that it can be given now. */
  get hasWork(): boolean {
    return this.#next >= 0;
  }

  /** It may go on, as far as people and hosts are concerned. */
  get isFree(): boolean {
    return this.control === 'none' && this.ledger.held === undefined;
  }

  /** It has a use for its place and its isolate: something waits for it, and it may go on. What waits for one that is held is in the store. */
  get wants(): boolean {
    return this.isFree && this.hasWork;
  }

  /** Takes what it is to be given now. */
  take(): Queued | undefined {
    for (let next = this.#next; next >= 0; next = this.#next) {
      const [queued] = this.queue.splice(next, 1);
      const due = queued && this.#due(queued);
      if (due !== undefined) return due;
    }
    return undefined;
  }

  /** Whether a reply to this is among what waits for it. */
  hasReply(id: number): boolean {
    return this.queue.some(({ delivery }) => delivery.kind === 'reply' && delivery.results.some((result) => result.id === id));
  }

  /**
   * Of replies, those that it still waits for: one that came after its request was given up, or beside it, is not given to its agent.
   * What is in the store's inbox must be taken from there all the same.
   */
  #due(queued: Queued): Queued | undefined {
    const { delivery, inbox } = queued;
    if (delivery.kind !== 'reply') return queued;
    const { pending } = this.ledger;
    const isDue = (id: number) => (inbox === undefined ? pending.has(id) : pending.get(id)?.kind === 'request');
    const results = delivery.results.filter(({ id }) => isDue(id));
    if (results.length === delivery.results.length) return queued;
    if (results.length === 0 && inbox === undefined) return undefined;
    return { inbox, delivery: { kind: 'reply', results } };
  }

  /** Puts a delivery of the store's inbox in the queue, once. */
  receive(delivery: PendingDelivery, inbox: number): void {
    if (inbox <= this.lastInbox) return;
    this.queue.push({ delivery, inbox });
    this.lastInbox = inbox;
  }

  /** Grants that came in messages it was not given yet. */
  unreceived(): GrantId[] {
    return this.queue.flatMap(({ delivery }) => grantsIn(delivery));
  }

  /** Nothing that waits for it will be given to it. Answers with the grants that were in it. */
  dropQueue(): GrantId[] {
    const grants = this.unreceived();
    this.queue.length = 0;
    return grants;
  }

  /** Answers of its calls that wait for it, and of which its journal does not tell. */
  get unjournaled(): Result[] {
    return this.queue.flatMap(({ delivery, inbox }) =>
      inbox === undefined && delivery.kind === 'reply'
        ? delivery.results.filter(({ id }) => this.ledger.pending.has(id) && this.ledger.pending.get(id)?.kind !== 'decided')
        : [],
    );
  }

  get agents(): LoadedBundle['agents'] {
    return this.bundle.agents;
  }
  get manifest(): AgentManifest {
    return this.bundle.agent(this.ledger.record.agent);
  }
  get id(): RunId {
    return this.ledger.record.id;
  }
  get tenant(): TenantId {
    return this.ledger.record.tenant;
  }
  get lifecycle(): Lifecycle {
    if (this.outcome !== undefined) return 'ended';
    return this.began === undefined && !(this.ledger.record.service !== undefined && this.hasState) ? 'queued' : 'active';
  }
  get residency(): Residency {
    return this.seat === undefined ? 'parked' : 'resident';
  }
  get waiting(): WaitingOn {
    return this.outcome === undefined ? this.ledger.waitingOn() : 'nothing';
  }
  /** It has something to do and may do it. */
  get runnable(): boolean {
    return (
      this.outcome === undefined &&
      this.isFree &&
      this.parking === undefined &&
      this.stopSlow === undefined &&
      this.onCpu === undefined &&
      this.hasWork
    );
  }
}
