/**
 * What the bus knows of one run: its c-list, its purse, what is under way. A ledger changes only by entries of the journal, through
 * `apply`. A crank that is lived through is taken in by the same steps, one after the other, since its second call is decided by what
 * the first one left; so recovery folds what was decided and never decides again (DESIGN 1.6).
 */
import { Purse, type Amounts } from '@corral/policy/purse';
import type { Decision } from '@corral/protocol/decision';
import type { Delivery, Result } from '@corral/protocol/delivery';
import type { Effect } from '@corral/protocol/effect';
import type { Digest, GrantId, RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { Control, Entry, HoldReason, HostEvent, RunRecord, WaitingOn } from '@corral/protocol/run';
import { DEFAULT_BUDGET, MACHINE } from '@corral/protocol/limits';
import type { Budget } from '@corral/protocol/manifest';
import { loadTo, restoreTo, savedOf, type LedgerSnapshot, type SavedLedger } from './snapshot.ts';
import { errorData, type ErrorCode } from '@corral/protocol/errors';
import type { Label } from '@corral/protocol/label';
import type { PlacedHandle } from '@corral/protocol/handle';
import type { FlowRun } from '@corral/policy/flow/run';
import { beginFlow, readAnswer, readFrom, readResult } from './flow.ts';
import { callOf, openedBy, peeked, unknownOf } from './calls.ts';
import { abort, askedAgain, dispose, withdraw } from './given-up.ts';
import { Handles, type SavedHandles } from './handles.ts';
import { Rates } from './rates.ts';
import { added } from './spending.ts';
import { Asked, decided, messageId, payReply, valueOf, waitingOn, type PendingRequest } from './requests.ts';
import { carriedOver, inherited } from './service.ts';
import type { RunWatch } from './watch.ts';
import type { Cancelled, Pending, PendingCall, PendingApproval } from './pending.ts';
import { disown, Tally } from './tally.ts';
import { WallClock } from './wall.ts';

export class Ledger {
  readonly record: RunRecord;
  readonly tracked: boolean;
  readonly purse: Purse;
  /** The c-list: index to grant. An index means nothing outside of this run. */
  readonly caps = new Map<number, GrantId>();
  /** The index of the next capability it is given. Indexes are used once, so one that is let go of names nothing ever again. */
  nextCap: number;
  readonly pending = new Map<number, Pending>();
  readonly handles = new Handles();
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
  readonly wall = new WallClock();
  /** What its calls change about the accounts above it. */
  readonly tally = new Tally();
  /** Somebody asked it to stop; `told` once the agent was given that. */
  cancelled: Cancelled | undefined;
  held: HoldReason | undefined;
  /** What is known of the flow of information; undefined where no policy asks for it. */
  flow: FlowRun | undefined;
  /** How often it called each tool, lately. */
  readonly rates = new Rates();
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
  readonly refusedFor = new Set<string>();

  /** What others asked it. */
  readonly asked = new Asked();
  /** What its detectors have seen; undefined where nobody watches. */
  readonly loops: RunWatch | undefined;

  /**
   * @param tracked whether policies will ask where things came from
   * @param loops what it is watched by for loops, runaways and drift
   */
  constructor(record: RunRecord, tracked = false, loops?: RunWatch) {
    this.loops = loops;
    this.record = record;
    this.tracked = tracked;
    this.bundle = record.bundle;
    this.version = record.version;
    this.header = record.header;
    // Before there were tokens and money, a run was admitted without: one that nobody spawned has what it would have today.
    this.purse = new Purse(record.parent === undefined ? { ...DEFAULT_BUDGET, ...record.budget } : record.budget);
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
    if (inbox !== undefined && delivery.kind === 'message') this.loops?.handles(messageId(this.record.id, inbox));
  }

  /** The step after its effects. @param length of the texts of its delivery and its effects */
  endCrank(seq: number, length: number, cpu_us: number): void {
    this.journalBytes += length;
    this.segment_entries += 1;
    this.segment_cpu_us += cpu_us;
    this.loops?.settle();
    this.seq = seq;
  }

  /** The last step of taking in an entry: what its host did, and the time. */
  seal({ seq, event, at, queued_ms = 0 }: Pick<Entry, 'seq' | 'event' | 'at' | 'queued_ms'>, monotonic?: number): void {
    this.seq = seq;
    if (event !== undefined) this.applyEvent(event, at);
    this.wall.stamp(at, queued_ms, this.stands, monotonic);
  }

  /** The begin of a crank: what it is given settles what was reserved for it. */
  applyDelivery(delivery: Delivery, bytes: number): void {
    this.lastAt = delivery.at;
    this.loops?.delivered(delivery, this.seq + 1, this.purse);
    this.handles.take(delivery);
    switch (delivery.kind) {
      case 'start':
        this.wall.began_at ??= delivery.at;
        if (this.tracked) this.flow = beginFlow(this.record, delivery, this.checkpoint?.label ?? inherited(this));
        return;
      case 'reply':
        for (const result of delivery.results) {
          const pending = this.pending.get(result.id);
          this.pending.delete(result.id);
          readResult(this, pending, result);
          if (pending?.kind !== 'call' && pending?.kind !== 'request') continue;
          this.inFlight -= 1;
          if (pending.kind === 'request') {
            this.depth = Math.max(this.depth, delivery.depth ?? 0);
            readFrom(this.flow, pending.what, pending.id, delivery.label, valueOf(result));
          }
          const room = Math.max(0, this.purse.left('bytes'));
          const spent = { ...pending.reserved, ...result.cost, bytes: (pending.reserved.bytes ?? 0) + Math.min(bytes, room) };
          this.purse.settle(pending.reserved, spent);
          this.tally.settle(pending, spent, delivery.at);
        }
        return;
      case 'timer':
        this.pending.delete(delivery.id);
        return;
      case 'child_ended': {
        const pending = this.pending.get(delivery.id);
        this.pending.delete(delivery.id);
        this.caps.delete(-delivery.id);
        if (pending?.kind === 'child')
          this.purse.settle(pending.reserved, { ...delivery.spent, children: 1 + (delivery.spent.children ?? 0) });
        readAnswer(this.flow, delivery);
        return;
      }
      case 'message':
        this.depth = Math.max(this.depth, delivery.depth);
        // Whoever is no instance has a purse for its whole life, which ends its part in any chain.
        // An instance does things before it is given the message, too: until then it counts on from the turn before.
        if (this.record.service !== undefined) this.hops = delivery.hops ?? 1;
        this.asked.take(delivery);
        for (const { grant } of delivery.caps ?? []) {
          // One too many takes its index and is worth nothing.
          if (this.caps.size < MACHINE.capabilities.default) this.caps.set(this.nextCap, grant);
          this.nextCap += 1;
        }
        readFrom(this.flow, delivery.from.agent, -this.effects - 1, delivery.label, delivery.body);
        return;
      case 'cancel':
        if (this.cancelled !== undefined) this.cancelled.told = true;
        return;
      case 'notice':
        return;
    }
  }

  /** One effect with what was decided about it; effects without a reply have no decision. */
  applyEffect(effect: Effect, decision: Decision | undefined): void {
    this.effects += 1;
    if (decision !== undefined) this.lastId = decision.id;
    this.loops?.asked(effect, decision, this.lastAt, this.seq + 1);
    switch (effect.kind) {
      case 'call':
        this.calls += 1;
        if (decision?.peeked === true) peeked(this, effect);
        if (decision !== undefined && decision.verdict !== 'deny') {
          const reserved = decision.reserved ?? {};
          this.purse.reserve(reserved);
          const call = callOf(this, effect, decision, reserved);
          this.tally.reserve(call.day, reserved);
          this.rates.called(call.tool, this.lastAt);
          if (decision.verdict === 'allow') this.#begin(call, decision.request?.due);
          else {
            this.pending.set(effect.id, {
              kind: 'approval',
              id: effect.id,
              call,
              grant: decision.grant as GrantId,
              digest: decision.digest ?? '',
              quorum: decision.quorum ?? 1,
              ...(decision.approvers === undefined ? {} : { approvers: decision.approvers }),
              expires_at: decision.expires_at ?? 0,
              since: this.lastAt,
              by: [],
            });
          }
        } else {
          // A refused call costs its attempt, not its price.
          this.purse.spend('calls', Math.min(1, Math.max(0, this.purse.left('calls'))));
          this.#refuse(effect.id, decision);
        }
        return;
      case 'send':
        if (decision?.verdict === 'allow' && decision.request !== undefined) {
          const { reserved = {}, grant, peer, request } = decision;
          this.purse.reserve(reserved);
          this.inFlight += 1;
          const to = { what: 'mailbox', ...(peer === undefined ? {} : { peer }), ...request };
          this.pending.set(effect.id, { kind: 'request', id: effect.id, reserved, grant: grant as GrantId, ...to });
        } else if (decision?.verdict === 'allow') {
          this.purse.reserve(decision.reserved ?? {});
          this.purse.settle(decision.reserved ?? {}, decision.reserved ?? {});
          if (decision.agent !== undefined) this.rates.called(`send:${decision.agent}`, this.lastAt);
          this.pending.set(effect.id, { ...decided(effect.id, { id: effect.id, value: null }), sent: true });
        } else this.#refuse(effect.id, decision);
        return;
      case 'reply':
        this.asked.answered(effect.to);
        payReply(this.purse, effect);
        return;
      case 'spawn':
        if (decision?.verdict === 'allow') {
          const reserved = decision.reserved ?? {};
          this.purse.reserve(reserved);
          this.pending.set(effect.id, { kind: 'child', id: effect.id, run: decision.child as RunId, reserved });
          this.caps.set(-effect.id, decision.grant as GrantId);
          if (decision.agent !== undefined) this.rates.called(`spawn:${decision.agent}`, this.lastAt);
        } else {
          if (decision?.limit !== undefined) this.refusedFor.add(decision.limit);
          const outcome = {
            kind: 'denied' as const,
            code: decision?.code ?? 'CORRAL_DENIED',
            message: decision?.message ?? 'The spawn was refused.',
          };
          this.pending.set(effect.id, {
            kind: 'decided',
            id: effect.id,
            delivery: { kind: 'child_ended', id: effect.id, run: undefined, outcome, spent: {} },
          });
        }
        return;
      case 'open':
        if (decision?.verdict === 'allow') {
          const { reserved = {} } = decision;
          this.purse.reserve(reserved);
          this.purse.settle(reserved, reserved);
          this.pending.set(effect.id, openedBy(this.handles, effect));
        } else this.#refuse(effect.id, decision);
        return;
      case 'drop':
        this.handles.forget(effect.handle);
        return;
      case 'timer':
        this.pending.set(effect.id, { kind: 'timer', id: effect.id, due: decision?.due as number });
        return;
      case 'abort':
        abort(this, effect.id);
        return;
      case 'dispose':
        dispose(this, effect.cap);
        return;
      case 'listen':
        this.listening = effect.on;
        return;
      case 'log':
        this.logBytes += effect.text.length;
        return;
      case 'emit':
        return;
      case 'checkpoint':
        this.checkpointing = effect;
        return;
      case 'finish':
        this.finished = effect;
        return;
    }
  }

  /** @param at when it was, in milliseconds since 1970 */
  applyEvent(event: HostEvent, at: number): void {
    switch (event.kind) {
      case 'unknown': {
        const pending = this.pending.get(event.id);
        if (pending?.kind !== 'call') return;
        // The words may be the tool's own, and are read as such.
        if (event.tell) this.#decide(pending, unknownOf(pending, event.message, event.detail), true);
        else pending.state = 'unknown';
        return;
      }
      case 'resolved': {
        const pending = this.pending.get(event.id);
        if (pending?.kind !== 'call') return;
        if (event.how === 'retry') this.#again(pending, event.again, event.day);
        else this.#decide(pending, event.result);
        return;
      }
      case 'fenced': {
        const pending = this.pending.get(event.id);
        if (pending?.kind !== 'call') return;
        const error = errorData('CORRAL_REVOKED', 'The capability was taken back while the call was under way.', { call: event.id });
        const { cost } = event.result;
        this.#decide(pending, { id: event.id, error, ...(cost === undefined ? {} : { cost }) });
        return;
      }
      case 'unanswered': {
        const pending = this.pending.get(event.id);
        if (pending?.kind === 'request') this.#decide(pending, event.result);
        else if (pending?.kind === 'approval') withdraw(this, pending, event.result);
        // A message that reached nobody: its sender is not told that it did.
        else if (pending?.kind === 'decided') this.pending.set(event.id, decided(event.id, event.result));
        return;
      }
      case 'approval':
        this.#approval(event, at);
        return;
      case 'control':
        this.control = event.control;
        this.family = event.family;
        if (event.control === 'none') this.loops?.resumed();
        return;
      case 'step':
        this.loops?.step(event);
        return;
      case 'cancel':
        this.cancelled = {
          by: event.by,
          reason: event.reason,
          at,
          ...(event.grace_ms === undefined ? {} : { grace_ms: event.grace_ms }),
          told: false,
        };
        return;
      case 'held':
        this.held = event.why;
        return;
      case 'released':
        this.held = undefined;
        return;
      case 'restamped':
        this.header = event.header;
        return;
      case 'forked':
        // Whatever held its origin up is the origin's. Its own clock starts where the copy ends.
        this.control = 'none';
        this.family = undefined;
        this.held = undefined;
        this.wall.paused_ms += event.away_ms;
        this.wall.paused_at = undefined;
        // It was asked to stop as its origin was, and has as long for it from here on.
        if (this.cancelled !== undefined) this.cancelled = { ...this.cancelled, at };
        this.loops?.forked();
        disown(this, event.asks === 'anew', event.pays === 'own');
        return;
      case 'checkpoint':
        this.restore(event.ledger as unknown as LedgerSnapshot, event.state, event.unread);
        return;
      case 'upgraded':
        this.bundle = event.bundle;
        this.version = event.version;
        return;
      case 'ended':
        return;
    }
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

  /** A call leaves: to a tool, or as a request to a service. */
  #begin(call: PendingApproval['call'], due: number | undefined): void {
    this.inFlight += 1;
    const { id, tool, reserved, grant } = call;
    const of = call.day === undefined ? {} : { day: call.day };
    if (call.request === undefined) this.pending.set(id, { kind: 'call', ...call, state: 'going', asked_at: 0 });
    else this.pending.set(id, { kind: 'request', id, what: tool, reserved, grant, ...of, ...(due === undefined ? {} : { due }) });
  }

  /** One person's word on a call, or that there was none in time. */
  #approval({ id, by, verdict, reason, relabel: change, day }: Extract<HostEvent, { kind: 'approval' }>, at: number): void {
    const found = this.pending.get(id);
    // Journals of older hosts let people approve what had been given up: then it was made.
    const pending = found?.kind === 'decided' && verdict === 'approve' ? askedAgain(this, found.asked) : found;
    if (pending?.kind !== 'approval') return;
    const { call, quorum } = pending;
    if (verdict === 'approve') {
      const everybody = [...pending.by, by];
      if (everybody.length < quorum) this.pending.set(id, { ...pending, by: everybody });
      else {
        if (change !== undefined && call.relabel?.run === true) this.flow?.relabel(change);
        const due = call.timeout_ms === undefined ? undefined : at + call.timeout_ms;
        if (day !== undefined) this.tally.move(call.day, day, call.reserved);
        this.#begin({ ...call, ...(change === undefined ? {} : { change }), ...(day === undefined ? {} : { day }) }, due);
      }
      return;
    }
    const error =
      verdict === 'expired'
        ? errorData('CORRAL_APPROVAL_EXPIRED', 'Nobody decided about the call in time.', { call: id })
        : errorData('CORRAL_APPROVAL_DENIED', `The call was refused by ${by}${reason === '' ? '' : `: ${reason}`}.`, { call: id });
    withdraw(this, pending, { id, error });
  }

  /** A call of unknown result is made once more: what it may have cost before stays reserved, and is billed with the rest. */
  #again(call: PendingCall, again: Budget = {}, day?: string): void {
    this.purse.reserve(again);
    this.tally.reserve(day ?? call.day, again);
    const later = day === undefined ? {} : { later: [...(call.later ?? []), { day, reserved: again }] };
    const { inherited, ...one } = call;
    // The first time that a fork makes a call of its origin is no second time.
    const times = inherited?.price !== undefined || Object.keys(again).length === 0 ? {} : { retried: (call.retried ?? 0) + 1 };
    const from = inherited === undefined ? {} : { inherited: {} };
    this.pending.set(call.id, { ...one, reserved: added(call.reserved, again), state: 'going', ...times, ...later, ...from });
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

  /** It is known what a call will be answered with, though no tool said it: its price is paid all the same. */
  #decide(call: PendingCall | PendingRequest, result: Result, spoken = 'value' in result): void {
    this.inFlight -= 1;
    const spent = { ...call.reserved, ...result.cost };
    this.purse.settle(call.reserved, spent);
    this.tally.settle(call, spent, this.lastAt);
    this.pending.set(call.id, { ...decided(call.id, result), ...(call.kind === 'call' && spoken ? { call } : {}) });
  }

  #refuse(id: number, decision: Decision | undefined): void {
    const code: ErrorCode = decision?.code ?? 'CORRAL_DENIED';
    if (decision?.limit !== undefined) this.refusedFor.add(decision.limit);
    const error = errorData(code, decision?.message ?? 'The call was refused.', {
      call: id,
      ...(decision?.limit === undefined ? {} : { limit: decision.limit }),
    });
    this.pending.set(id, { kind: 'decided', id, delivery: { kind: 'reply', results: [{ id, error }] } });
  }
}

/** What was decided about an effect; those without a reply have no decision, and an abort names the call that it gives up. */
export const decisionOn = (effect: Effect, byId: ReadonlyMap<number, Decision>): Decision | undefined =>
  'id' in effect && effect.kind !== 'abort' ? byId.get(effect.id) : undefined;
