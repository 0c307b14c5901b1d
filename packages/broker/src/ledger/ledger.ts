/**
 * What the bus knows of one run: its c-list, its purse, what is under way. A ledger changes only by entries of the journal, through
 * `apply`; so recovery folds what was decided and never decides again (DESIGN 1.6). The second call of a crank is decided by what the
 * first one left, so a crank that is lived through is taken in effect by effect, by the steps of the same fold, into a draft of the
 * ledger. The ledger adopts that as a whole, with the entry, or nothing of it.
 */
import { Purse, type Amounts } from '@corral/policy/capability/purse';
import type { FlowRun } from '@corral/policy/flow/run';
import type { Decision } from '@corral/protocol/model/decision';
import type { Delivery } from '@corral/protocol/wire/delivery';
import type { Effect } from '@corral/protocol/wire/effect';
import type { PlacedHandle } from '@corral/protocol/wire/handle';
import type { Digest, GrantId, RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { Label } from '@corral/protocol/model/label';
import { DEFAULT_BUDGET } from '@corral/protocol/limits';
import type { Control, Entry, HoldReason, HostEvent, RunRecord, WaitingOn } from '@corral/protocol/model/run';
import { DraftMap } from './draft-map.ts';
import { Handles, type SavedHandles } from './handles.ts';
import type { Cancelled, Pending } from './pending.ts';
import { Rates } from './rates.ts';
import { Asked, messageId, waitingOn } from './requests.ts';
import { carriedOver, inherited } from '../effects/service.ts';
import { loadTo, restoreTo, savedOf, type LedgerSnapshot, type SavedLedger } from './snapshot.ts';
import { takeDelivery } from './take-delivery.ts';
import { takeEffect } from './take-effect.ts';
import { takeEvent } from './take-event.ts';
import { Tally } from '../accounts/tally.ts';
import { WallClock } from './wall.ts';
import type { RunDetectors } from './detectors.ts';

/** A crank as a draft has taken it in. */
export interface Taken {
  readonly delivery: Delivery;
  readonly inbox: number | undefined;
  readonly effects: readonly { readonly effect: Effect; readonly decision: Decision | undefined }[];
  readonly ended: boolean;
}

export class Ledger {
  readonly record: RunRecord;
  readonly tracked: boolean;
  purse: Purse;
  /** The c-list: index to grant. An index means nothing outside of this run. */
  readonly caps: Map<number, GrantId>;
  /** The index of the next capability it is given. Indexes are used once, so one that is let go of names nothing ever again. */
  nextCap: number;
  readonly pending: Map<number, Pending>;
  readonly handles: Handles;
  /** Time stamp of its last delivery. */
  lastAt = 0;
  /** Number of the last journal entry. */
  seq = 0;
  lastId = 0;
  effects = 0;
  calls = 0;
  logBytes = 0;
  journalBytes = 0;
  listening = false;
  control: Control = 'none';
  /** The run with whose descendants it was paused; undefined where it was paused alone, or is not. */
  family: RunId | undefined;
  readonly wall: WallClock;
  /** What its calls change about the accounts above it. */
  tally: Tally;
  /** Somebody asked it to stop; `told` once the agent was given that. */
  cancelled: Cancelled | undefined;
  held: HoldReason | undefined;
  /** What is known of the flow of information; undefined where no policy asks for it. */
  flow: FlowRun | undefined;
  /** How often it called each tool, lately. */
  readonly rates: Rates;
  /** What it runs now; an upgrade may have moved it from what it was admitted with. */
  bundle: Digest;
  version: Digest;
  /** The runtime on which its journal was last seen to replay. */
  header: RunRecord['header'];
  /** The entry of the last checkpoint, and the state it carries. */
  checkpoint:
    | {
        readonly seq: number;
        readonly state: Json;
        readonly unread: Json;
        readonly label: Label | undefined;
        readonly placed?: readonly PlacedHandle[];
      }
    | undefined;
  /** The crank that is being taken in asks for a checkpoint. */
  checkpointing: Extract<Effect, { kind: 'checkpoint' }> | undefined;
  /** CPU time that the cranks since then took: what bringing the run back costs. */
  segment_cpu_us = 0;
  segment_entries = 0;
  finished: Extract<Effect, { kind: 'finish' }> | undefined;
  /** Length of the longest causal chain of messages that reached this run. */
  depth = 0;
  /** Of a turn of a service, and of what it spawned: how many turns there are in the chain. */
  hops = 0;
  /** Calls under way, counted apart because it is asked at every call. */
  inFlight = 0;
  /** Limits that the bus refused something for; an agent that ends for one of them has really met it. */
  refusedFor: ReadonlySet<string>;

  /** What others asked it. */
  asked: Asked;
  /** What its detectors have seen; undefined where nobody watches. */
  readonly loops: RunDetectors | undefined;

  /** What this is a draft of. */
  readonly #of: Ledger | undefined;

  /**
   * @param tracked whether policies will ask where things came from
   * @param loops what it is watched by for loops, runaways and drift
   * @param of what it is a draft of
   */
  constructor(record: RunRecord, tracked = false, loops?: RunDetectors, of?: Ledger) {
    this.loops = loops;
    this.record = record;
    this.tracked = tracked;
    this.#of = of;
    this.bundle = record.bundle;
    this.version = record.version;
    this.header = record.header;
    if (of !== undefined) {
      this.purse = of.purse.copy();
      this.caps = new DraftMap(of.caps);
      this.pending = new DraftMap(of.pending);
      this.handles = of.handles.draft();
      this.wall = of.wall.draft();
      this.tally = of.tally.copy();
      this.rates = of.rates.draft();
      this.refusedFor = of.refusedFor;
      this.asked = of.asked.draft();
      this.flow = of.flow?.draft();
      this.nextCap = 0;
      this.#take(of);
      return;
    }
    // Before there were tokens and money, a run was admitted without: one that nobody spawned has what it would have today.
    this.purse = new Purse(record.parent === undefined ? { ...DEFAULT_BUDGET, ...record.budget } : record.budget);
    this.caps = new Map();
    this.pending = new Map();
    this.handles = new Handles();
    this.wall = new WallClock();
    this.tally = new Tally();
    this.rates = new Rates();
    this.refusedFor = new Set();
    this.asked = new Asked();
    for (const { cap, grant } of record.caps) this.caps.set(cap, grant);
    this.nextCap = record.caps.length;
    this.depth = record.depth ?? 0;
    this.hops = record.hops ?? 0;
    if (record.service?.handles !== undefined) this.handles.load(record.service.handles as unknown as SavedHandles);
    for (const handle of record.handles ?? []) this.handles.add(handle);
  }

  /**
   * Takes in one entry of the journal.
   * @param how `checkpoint`: the entry from which on this journal is read; of that one, only what it left behind counts. `monotonic`:
   * where it is lived through
   */
  apply(entry: Entry, how: { readonly checkpoint?: number; readonly monotonic?: number } = {}): void {
    const { seq, delivery, effects, decisions, cpu_us } = entry;
    if (seq !== how.checkpoint && delivery !== undefined && effects !== undefined) {
      this.beginCrank(JSON.parse(delivery) as Delivery, Buffer.byteLength(delivery), cpu_us, entry.inbox);
      const byId = new Map(decisions.map((decision) => [decision.id, decision]));
      for (const effect of JSON.parse(effects) as Effect[]) this.applyEffect(effect, decisionOn(effect, byId));
      this.endCrank(seq, delivery.length + effects.length, cpu_us);
    } else if (seq !== how.checkpoint) this.purse.spend('cpu_ms', cpu_us / 1000);
    this.seal(entry, how.monotonic);
  }

  /** The first step of taking in a crank. @param inbox number of its message */
  beginCrank(delivery: Delivery, bytes: number, cpu_us: number, inbox: number | undefined): void {
    this.applyDelivery(delivery, bytes);
    this.purse.spend('cpu_ms', cpu_us / 1000);
    if (this.#of === undefined) this.#handles(delivery, inbox);
  }

  /** The begin of a crank: what it is given settles what was reserved for it. */
  applyDelivery(delivery: Delivery, bytes: number): void {
    if (this.#of === undefined) this.loops?.delivered(delivery, this.seq + 1, this.purse);
    takeDelivery(this, delivery, bytes);
  }

  /** One effect with what was decided about it; effects without a reply have no decision. */
  applyEffect(effect: Effect, decision: Decision | undefined): void {
    if (this.#of === undefined) this.loops?.asked(effect, decision, this.lastAt, this.seq + 1);
    takeEffect(this, effect, decision);
  }

  /** The step after its effects. @param length of the texts of its delivery and its effects */
  endCrank(seq: number, length: number, cpu_us: number): void {
    this.journalBytes += length;
    this.segment_entries += 1;
    this.segment_cpu_us += cpu_us;
    if (this.#of === undefined) this.loops?.settle();
    this.seq = seq;
  }

  /**
   * The same books, for a crank that is being decided: what is written into the draft is not in these until they adopt it. Until it is
   * adopted or dropped, nobody else may write into these.
   */
  draft(): Ledger {
    return new Ledger(this.record, this.tracked, this.loops, this);
  }

  /**
   * Takes over all that its draft has; `seal` follows. The detectors see the crank only now: nothing is decided by what they know of it.
   * @param effects those that were taken in, each with its decision
   * @param ended whether the draft has taken the last step too
   */
  adopt(draft: Ledger, { delivery, inbox, effects, ended }: Taken): void {
    const { loops } = this;
    if (loops !== undefined) {
      loops.delivered(delivery, this.seq + 1, this.purse);
      this.#handles(delivery, inbox);
      for (const { effect, decision } of effects) loops.asked(effect, decision, delivery.at, this.seq + 1);
      if (ended) loops.settle();
    }
    this.#take(draft);
    this.purse = draft.purse;
    this.tally = draft.tally;
    this.refusedFor = draft.refusedFor;
    this.asked = draft.asked;
    this.flow = draft.flow;
    this.flow?.adopted();
    (draft.caps as DraftMap<number, GrantId>).adopt();
    (draft.pending as DraftMap<number, Pending>).adopt();
    draft.rates.adopt();
    draft.handles.adopt();
    draft.wall.adopt();
  }

  /** Nothing comes of this draft. What it is a draft of is as it was. */
  drop(): void {
    this.flow?.dropped();
  }

  /** Everything that is a value of its own. */
  #take(of: Ledger): void {
    this.nextCap = of.nextCap;
    this.lastAt = of.lastAt;
    this.seq = of.seq;
    this.lastId = of.lastId;
    this.effects = of.effects;
    this.calls = of.calls;
    this.logBytes = of.logBytes;
    this.journalBytes = of.journalBytes;
    this.listening = of.listening;
    this.control = of.control;
    this.family = of.family;
    this.cancelled = of.cancelled;
    this.held = of.held;
    this.bundle = of.bundle;
    this.version = of.version;
    this.header = of.header;
    this.checkpoint = of.checkpoint;
    this.checkpointing = of.checkpointing;
    this.segment_cpu_us = of.segment_cpu_us;
    this.segment_entries = of.segment_entries;
    this.finished = of.finished;
    this.depth = of.depth;
    this.hops = of.hops;
    this.inFlight = of.inFlight;
  }

  /** The bus refused something for this limit. */
  refused(limit: string | undefined): void {
    if (limit !== undefined && !this.refusedFor.has(limit)) this.refusedFor = new Set([...this.refusedFor, limit]);
  }

  #handles(delivery: Delivery, inbox: number | undefined): void {
    if (inbox !== undefined && delivery.kind === 'message') this.loops?.handles(messageId(this.record.id, inbox));
  }

  /** The last step of taking in an entry: what its host did, and the time. */
  seal({ seq, event, at, queued_ms = 0 }: Pick<Entry, 'seq' | 'event' | 'at' | 'queued_ms'>, monotonic?: number): void {
    this.seq = seq;
    if (event !== undefined) this.applyEvent(event, at);
    this.wall.stamp(at, queued_ms, this.stands, monotonic);
  }

  /** @param at when it was, in milliseconds since 1970 */
  applyEvent(event: HostEvent, at: number): void {
    takeEvent(this, event, at);
  }

  /** What a checkpoint carries over into the next segment, besides the agent's own state. */
  snapshot(): LedgerSnapshot {
    return carriedOver(this, (this.checkpointing?.state ?? null) as Json);
  }

  /** Begins a segment from what the last one left. */
  restore(from: LedgerSnapshot, state: Json, unread: Json): void {
    restoreTo(this, from, state, unread);
  }

  /** Everything, for as long as the run is parked. */
  save(lastAt: number): SavedLedger {
    return savedOf(this, lastAt);
  }

  /** The opposite of `save`, on a fresh ledger. */
  load(saved: SavedLedger): void {
    loadTo(this, saved);
  }

  /** Whether it stands still, by its journal: somebody paused or held it, or people are asked. Its wall clock does not run then. */
  get stands(): boolean {
    if (this.control !== 'none') return true;
    const waiting = waitingOn(this);
    return waiting === 'approval' || waiting === 'resolution' || waiting === 'upgrade';
  }

  /** What could have influenced it; undefined where no policy asks for it. Before a segment has begun, what that will begin with. */
  get label(): Label | undefined {
    if (this.flow !== undefined) return this.flow.label;
    return this.tracked && this.checkpoint !== undefined ? (this.checkpoint.label ?? inherited(this)) : undefined;
  }

  /** Whether an instance of a service has a state: that of a checkpoint, or the one that it begins with. */
  get hasState(): boolean {
    return this.checkpoint !== undefined || this.record.service?.state !== undefined;
  }

  /** What the run waits on, the gravest first (DESIGN 2). */
  waitingOn(): WaitingOn {
    return waitingOn(this);
  }

  spent(): Amounts {
    return this.purse.spent();
  }
}

/** What was decided about an effect; those without a reply have no decision, and an abort names the call that it gives up. */
export const decisionOn = (effect: Effect, byId: ReadonlyMap<number, Decision>): Decision | undefined =>
  'id' in effect && effect.kind !== 'abort' ? byId.get(effect.id) : undefined;
