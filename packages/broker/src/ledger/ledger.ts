/**
 * The state of one run as the broker knows it: its c-list, its purse, what is under way. A ledger changes only by journal entries,
 * through `apply`, so recovery repeats recorded decisions and never decides again (ARCHITECTURE.md, "Journal and commit"). Each call of a
 * crank is decided on the state that the calls before it left. A live crank is therefore applied effect by effect, with the same steps,
 * to a draft of the ledger. The ledger adopts the draft as a whole, with the entry, or drops it.
 */
import { Purse, type Amounts } from '@corral/policy/capability/purse';
import type { FlowRun } from '@corral/policy/flow/run';
import type { Decision } from '@corral/protocol/model/decision';
import type { Delivery } from '@corral/protocol/wire/delivery';
import { decisionOn, type Effect } from '@corral/protocol/wire/effect';
import type { Digest, GrantId, RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { Label } from '@corral/protocol/model/label';
import { DEFAULT_BUDGET } from '@corral/protocol/limits';
import type { StandingApproval } from '@corral/protocol/model/standing';
import type { Control, Entry, HoldReason, HostEvent, RunRecord, WaitingOn } from '@corral/protocol/model/run';
import { heapSizeOf } from '@corral/protocol/heap-size';
import { DraftMap } from './draft-map.ts';
import { Handles, type SavedHandles } from './handles.ts';
import { pendingBytes, type Cancelled, type Pending } from './pending.ts';
import { Rates } from './rates.ts';
import { messageId, waitingOn } from './requests.ts';
import { carriedOver, inherited } from '../effects/service.ts';
import { loadTo, savedOf, type LedgerSnapshot, type SavedLedger } from './snapshot.ts';
import { takeDelivery } from './take-delivery.ts';
import { isSaid, takeEffect } from './take-effect.ts';
import { takeEvent } from './take-event.ts';
import { Tally } from '../accounts/tally.ts';
import { WallClock } from './wall.ts';
import { WeighedMap } from './weighed-map.ts';
import type { RunDetectors } from './detectors.ts';
import { Asked } from './asked.ts';
import type { Books } from './books.ts';

/**
 * Approximate bytes of a run in memory without anything in particular; of its detectors; of a capability. `test/hostile/kept.long.test.ts`
 * compares them with the heap.
 */
const LEDGER_BYTES = 8_192;
const WATCHED_BYTES = 20_480;
const CAP_BYTES = 400;

/** A crank that a draft has applied. */
export interface Taken {
  readonly delivery: Delivery;
  readonly inbox: number | undefined;
  readonly effects: readonly { readonly effect: Effect; readonly decision: Decision | undefined }[];
  readonly ended: boolean;
}

/** Books has the descriptions of the fields. */
export class Ledger implements Books {
  readonly record: RunRecord;
  readonly tracked: boolean;
  purse: Purse;
  readonly caps: Map<number, GrantId>;
  nextCap: number;
  readonly pending: Map<number, Pending>;
  readonly handles: Handles;
  lastAt = 0;
  seq = 0;
  lastId = 0;
  effects = 0;
  calls = 0;
  logBytes = 0;
  journalBytes = 0;
  listening = false;
  control: Control = 'none';
  family: RunId | undefined;
  readonly wall: WallClock;
  tally: Tally;
  cancelled: Cancelled | undefined;
  held: HoldReason | undefined;
  flow: FlowRun | undefined;
  readonly rates: Rates;
  bundle: Digest;
  version: Digest;
  header: RunRecord['header'];
  checkpoint: Books['checkpoint'];
  checkpointing: Extract<Effect, { kind: 'checkpoint' }> | undefined;
  segment_cpu_us = 0;
  segment_entries = 0;
  finished: Extract<Effect, { kind: 'finish' }> | undefined;
  depth = 0;
  hops = 0;
  inFlight = 0;
  refusedFor: ReadonlySet<string>;
  approvals: readonly StandingApproval[] = [];

  asked: Asked;
  readonly loops: RunDetectors | undefined;

  /** Approximate bytes of the record's input and program, and of the last checkpoint. */
  readonly #input_bytes: number;
  #weighed: { readonly checkpoint: Books['checkpoint']; readonly bytes: number } = { checkpoint: undefined, bytes: 0 };

  /** The original, if this is a draft. */
  readonly #of: Ledger | undefined;
  /** Whether this ledger has an open draft. */
  #isDrafted = false;

  /**
   * @param tracked whether policies use labels and provenance
   * @param loops detectors of loops, runaways and drift
   * @param of the ledger of which this is a draft
   */
  constructor(record: RunRecord, tracked = false, loops?: RunDetectors, of?: Ledger) {
    this.loops = loops;
    this.record = record;
    this.#input_bytes = of === undefined ? heapSizeOf(record.input) + heapSizeOf(record.program?.source ?? null) : of.#input_bytes;
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
    // Older hosts admitted runs without tokens and money. A run without a parent gets today's defaults.
    this.purse = new Purse(record.parent === undefined ? { ...DEFAULT_BUDGET, ...record.budget } : record.budget);
    this.caps = new Map();
    this.pending = new WeighedMap(pendingBytes);
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
   * Applies one journal entry.
   * @param how `checkpoint`: the entry of the checkpoint with which reading began; only the event of that entry is applied. `monotonic`:
   * the time, if the entry is live and not read back
   * @throws Error while this ledger has an open draft, which the entry would make wrong
   */
  apply(entry: Entry, how: { readonly checkpoint?: number; readonly monotonic?: number } = {}): void {
    for (const _ of this.applying(entry, how));
  }

  /** As `apply`, in steps between which other work may be done that does not look at this ledger. */
  *applying(entry: Entry, how: { readonly checkpoint?: number; readonly monotonic?: number } = {}): Generator<void> {
    const { seq, delivery, effects, decisions, cpu_us } = entry;
    if (this.#isDrafted) throw new Error(`Entry ${seq} of ${this.record.id} would go before the crank that is being decided.`);
    if (seq !== how.checkpoint && delivery !== undefined && effects !== undefined) {
      this.beginCrank(JSON.parse(delivery) as Delivery, Buffer.byteLength(delivery), cpu_us, entry.inbox);
      const byId = new Map(decisions.map((decision) => [decision.id, decision]));
      for (const effect of JSON.parse(effects) as Effect[]) {
        const decision = decisionOn(effect, byId);
        if (isSaid(effect, decision) && this.flow !== undefined) yield* this.flow.look(effect.input as Json);
        this.applyEffect(effect, decision);
      }
      this.endCrank(seq, delivery.length + effects.length, cpu_us, entry.decide_us);
    } else if (seq !== how.checkpoint) this.purse.spend('cpu_ms', cpu_us / 1000);
    this.seal(entry, how.monotonic);
  }

  /** The first step of applying a crank. @param inbox number of the message, if the crank got one */
  beginCrank(delivery: Delivery, bytes: number, cpu_us: number, inbox: number | undefined): void {
    this.applyDelivery(delivery, bytes);
    this.purse.spend('cpu_ms', cpu_us / 1000);
    if (this.#of === undefined) this.#handles(delivery, inbox);
  }

  /** Applies the delivery of a crank and settles the reservations for it. */
  applyDelivery(delivery: Delivery, bytes: number): void {
    if (this.#of === undefined) this.loops?.delivered(delivery, this.seq + 1, this.purse);
    takeDelivery(this, delivery, bytes);
  }

  /** Applies one effect with its decision; effects without a reply have none. */
  applyEffect(effect: Effect, decision: Decision | undefined): void {
    if (this.#of === undefined) this.loops?.asked(effect, decision, this.lastAt, this.seq + 1);
    takeEffect(this, effect, decision);
  }

  /** The step after the effects. @param length of the texts of delivery and effects @param decide_us CPU time of deciding them */
  endCrank(seq: number, length: number, cpu_us: number, decide_us = 0): void {
    this.purse.spend('cpu_ms', decide_us / 1000);
    this.journalBytes += length;
    this.segment_entries += 1;
    this.segment_cpu_us += cpu_us;
    if (this.#of === undefined) this.loops?.settle();
    this.seq = seq;
  }

  /**
   * A draft for a crank that is being decided. Changes to the draft do not affect this ledger until it adopts them. Until the draft is
   * adopted or dropped, nothing else may change this ledger.
   */
  draft(): Ledger {
    this.#isDrafted = true;
    return new Ledger(this.record, this.tracked, this.loops, this);
  }

  /**
   * Takes over the state of the draft; `seal` follows. The detectors get the crank only now, since no decision uses their state.
   * @param effects the effects that the draft applied, with their decisions
   * @param ended whether the draft has applied `endCrank` too
   */
  adopt(draft: Ledger, { delivery, inbox, effects, ended }: Taken): void {
    const { loops } = this;
    this.#isDrafted = false;
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

  /** Drops this draft; its original is unchanged. */
  drop(): void {
    if (this.#of !== undefined) this.#of.#isDrafted = false;
    this.flow?.dropped();
  }

  /** Copies all plain values. */
  #take(of: Ledger): void {
    this.approvals = of.approvals;
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

  /** Records a refusal because of this limit. */
  refused(limit: string | undefined): void {
    if (limit !== undefined && !this.refusedFor.has(limit)) this.refusedFor = new Set([...this.refusedFor, limit]);
  }

  #handles(delivery: Delivery, inbox: number | undefined): void {
    if (inbox !== undefined && delivery.kind === 'message') this.loops?.handles(messageId(this.record.id, inbox));
  }

  /** The last step of applying an entry: the event of the host, and the time. */
  seal({ seq, event, at, queued_ms = 0 }: Pick<Entry, 'seq' | 'event' | 'at' | 'queued_ms'>, monotonic?: number): void {
    this.seq = seq;
    if (event !== undefined) this.applyEvent(event, at);
    this.wall.stamp(at, queued_ms, this.stands, monotonic);
  }

  /** @param at time of the event, in milliseconds since 1970 */
  applyEvent(event: HostEvent, at: number): void {
    takeEvent(this, event, at);
  }

  /** The state that a checkpoint saves, besides the agent's own. */
  snapshot(): LedgerSnapshot {
    return carriedOver(this, (this.checkpointing?.state ?? null) as Json);
  }

  /** The whole state, for a parked run. */
  save(lastAt: number): SavedLedger {
    return savedOf(this, lastAt);
  }

  /** The inverse of `save`, for a new ledger. */
  load(saved: SavedLedger): void {
    loadTo(this, saved);
  }

  /** Whether the run is stopped according to its journal: paused, held, or waiting for people. Its wall clock does not run then. */
  get stands(): boolean {
    if (this.control !== 'none') return true;
    const waiting = waitingOn(this);
    return waiting === 'approval' || waiting === 'resolution' || waiting === 'upgrade';
  }

  /** The run's label; undefined if no policy uses labels. Before a segment has begun, the label with which it will begin. */
  get label(): Label | undefined {
    if (this.flow !== undefined) return this.flow.label;
    return this.tracked && this.checkpoint !== undefined ? (this.checkpoint.label ?? inherited(this)) : undefined;
  }

  /** Whether an instance of a service has a state: from a checkpoint, or from its record. */
  get hasState(): boolean {
    return this.checkpoint !== undefined || this.record.service?.state !== undefined;
  }

  /** The most serious of the things that the run waits on. */
  waitingOn(): WaitingOn {
    return waitingOn(this);
  }

  spent(): Amounts {
    return this.purse.spent();
  }

  /** Approximate bytes that are in memory for the run. */
  get memory(): number {
    const pending = this.pending instanceof WeighedMap ? this.pending.bytes : 0;
    const read = this.flow === undefined ? 0 : this.flow.bytes;
    const watched = this.loops === undefined ? 0 : WATCHED_BYTES + this.loops.bytes;
    if (this.checkpoint !== this.#weighed.checkpoint)
      this.#weighed = { checkpoint: this.checkpoint, bytes: heapSizeOf([this.checkpoint?.state, this.checkpoint?.unread]) };
    const { bytes } = this.#weighed;
    return LEDGER_BYTES + this.#input_bytes + bytes + this.handles.memory + pending + this.caps.size * CAP_BYTES + read + watched;
  }
}
