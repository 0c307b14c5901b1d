/**
 * The bus: the only way out of an isolate. For each crank: parse, decide (decide.ts), commit once, then let the effects
 * leave; a tool's reply is settled and becomes the next delivery (DESIGN 1.4–1.6).
 */
import type { Result } from '@corral/protocol/wire/delivery';
import { CorralError, errorData } from '@corral/protocol/errors';
import type { GrantId, RunId, TenantId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import { CEILINGS, MACHINE } from '@corral/protocol/limits';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Entry, HostEvent } from '@corral/protocol/model/run';
import type { Commit, CommitResult, Outgoing } from '@corral/protocol/ports/store';
import { answerOf } from './commit/child-answer.ts';
import { mayCallHere, mayStillCall, neverMade } from './policies/approved.ts';
import type { BrokerPowers, BusEvents, BusRun, CommitRest, Crank, CrankTold } from './bus.ts';
import { Answers } from './commit/answers.ts';
import { begin } from './commit/context.ts';
import { emptyBatch, letGo, refusedIn, unsentIn, type Batch, type Dispatch } from './effects/batch.ts';
import { labelOf } from './effects/common.ts';
import { CrankDraft } from './commit/draft.ts';
import { Slices, type SlicesOptions } from './commit/slices.ts';
import { Turns } from './commit/turns.ts';
import { DraftPolicies } from './policies/draft-policies.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { internal } from './commit/endings.ts';
import { isUnread } from './ledger/calls.ts';
import { givenUp, neverLeft } from './dispatch/given-up.ts';
import { handedBack, handlesBack } from './commit/finish.ts';
import { isTimed, timersEnded } from './ledger/requests.ts';
import { approvedRequest } from './effects/service.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { PendingApproval, PendingCall } from './ledger/pending.ts';
import { FREE } from './accounts/price.ts';
import { statusOf } from './commit/status.ts';
import { billedAgain, wholeAmounts } from './accounts/spending.ts';
import { closeTally } from './accounts/tally.ts';
import type { DecideContext } from './effects/context.ts';
import type { Policies } from './policies/port.ts';
import { Refusal, eventOf, mayWait, settledBy } from './commit/entry.ts';

/** How often a host that comes to rest looks whether it has. */
const REST_MS = 5;
/** The longest text of effects that can have been taken. */
const EFFECTS_KEPT = MACHINE.effects_bytes.default + CEILINGS.message_bytes.max;

export class Broker {
  readonly #powers: BrokerPowers;
  readonly #events: BusEvents;
  readonly #dispatcher: Dispatcher;
  /** The last commit of each run that is not durable yet. */
  readonly #committing = new Map<RunId, Promise<unknown>>();
  /** Answers of calls that may not be repeated. */
  readonly answers: Answers;
  /** Purses above the runs. */
  readonly accounts: BrokerPowers['accounts'];
  readonly #refusals = new WeakMap<BusRun, CorralError>();
  readonly #slices: SlicesOptions;
  #closed = false;
  #draining = false;

  constructor(powers: BrokerPowers, events: BusEvents) {
    this.#powers = powers;
    this.#events = events;
    this.accounts = powers.accounts;
    const { clock, accounts, slice } = powers;
    this.#slices = { clock, turns: new Turns(clock), accounts, slice, draft: this.#draft, open: new Set() };
    this.answers = new Answers(powers.store, powers.clock);
    this.#dispatcher = new Dispatcher(powers, {
      isStopped: (tenant, tool) => this.#isQuarantined(tenant)(tool),
      onResult: (run, result, once) => this.#events.answered(run, result, once || this.#draining),
      onUnknown: (run, id, message, detail) => this.#events.unknown(run, id, message, detail),
    });
  }

  /** Calls that have left and not come back. */
  get inFlight(): number {
    return this.#dispatcher.size;
  }

  /**
   * Decides one crank: before this returns, or over several turns of the event loop if it has many effects. Then the ledger has the crank,
   * and tools that may start early have been called; all other effects leave once the commit is durable. While the crank is being decided,
   * nothing may be recorded for its run; see Behind.
   */
  crank(run: BusRun, crank: Crank, { taken, failed, stopped, after }: CrankTold): void {
    const done = (draft: CrankDraft) => {
      const { seq } = run.ledger;
      let outcome: Outcome | undefined;
      try {
        outcome = this.#adopt(run, crank, draft);
      } catch (error) {
        // Nothing of it was handed to the store; the next entry takes its place.
        run.ledger.seq = seq;
        return failed(error);
      }
      taken(outcome);
    };
    new Slices(this.#slices, run, crank, { done, failed, stopped, after }).next();
  }

  readonly #draft = (run: BusRun, crank: Crank): CrankDraft => {
    const policies = this.#policies(run);
    const drafted = policies === undefined ? undefined : new DraftPolicies(policies);
    return new CrankDraft(run, crank, this.#context(run, this.#powers.clock.now(), drafted), drafted);
  };

  /** The crank is decided: the run has it from here on. */
  #adopt(run: BusRun, crank: Crank, draft: CrankDraft): Outcome | undefined {
    const { ledger } = run;
    const { record, loops } = ledger;
    const { batch, effects, now } = draft;
    const seq = ledger.seq + 1;
    const over = timersEnded(ledger, crank.delivery);
    const changes = begin(ledger, crank.delivery);
    draft.adopt();
    for (const id of draft.letGoOf) this.#powers.grants.release(id);

    if (batch.consequences.length > 0) batch.stop = this.#events.stop(record.id, batch.consequences, batch.outcome !== undefined);
    // In the same entry: a host that dies after the denial leaves a run that stands still.
    const event = eventOf(ledger, batch, now);
    const entry: Entry = {
      seq,
      at: now,
      delivery: crank.deliveryText,
      // Effects that were refused for their size are not stored either.
      effects: crank.effectsText.length > EFFECTS_KEPT ? undefined : crank.effectsText,
      decisions: batch.decisions,
      event,
      cpu_us: crank.cpu_us,
      ...this.#queued(ledger, now),
      ...(crank.delivery.kind === 'message' && crank.inbox !== undefined ? { inbox: crank.inbox } : {}),
    };
    if (ledger.segment_entries === MACHINE.checkpoint_hint_entries.default) {
      const text = `${ledger.segment_entries} entries since the last checkpoint: bringing this run back takes as long as replaying them. checkpoint(state) makes it short again.`;
      this.#events.logged(record.id, 'warn', text);
    }
    ledger.seal(entry, this.#powers.clock.monotonic());
    if (batch.outcome === undefined) {
      const asked_at = this.#powers.clock.monotonic();
      for (const call of batch.dispatches) {
        const pending = ledger.pending.get(call.id);
        if (pending?.kind === 'call') pending.asked_at = asked_at;
        if (!call.early || neverLeft(pending) !== undefined) continue;
        batch.left.add(call.id);
        this.#dispatcher.start(record, call, loops !== undefined);
      }
    }
    batch.context.push(...changes({ seq, at: now, effects, decisions: batch.decisions }));
    const handling = loops?.handling;
    if (handling !== undefined && batch.outbox.length > 0)
      batch.cause = { message: handling.message, progress: (loops?.changes ?? 0) > handling.changes };
    const timersDone = [...over, ...batch.timersDone];
    // A refusal is told by the event.
    this.#handOver(run, entry, { crank, batch, timersDone }).catch(() => undefined);
    return batch.outcome;
  }

  /**
   * Writes down something the host did to a run; the ledger has it when this returns. Ends the run if the event says so.
   * @throws whatever the store refused it for; nothing of it has happened then. Error if a crank of the run is being decided
   * @param more `revoke`: take back the run's grants, and so everything derived from them; `delivery`: what it was working on;
   * `cpu_us`: what it had used of the CPU for that
   */
  record(
    run: BusRun,
    event: HostEvent,
    more: { readonly revoke?: boolean; readonly delivery?: string | undefined; readonly cpu_us?: number } = {},
  ): Promise<CommitResult> {
    const { ledger } = run;
    const { clock, identity } = this.#powers;
    const at = clock.now();
    const who = 'by' in event ? identity?.(event.by) : undefined;
    const asked = event.kind === 'approval' ? ledger.pending.get(event.id) : undefined;
    const entry: Entry = {
      seq: ledger.seq + 1,
      at,
      delivery: more.delivery,
      effects: undefined,
      decisions: [],
      event: who === undefined ? event : { ...event, who },
      cpu_us: Math.round(more.cpu_us ?? 0),
      ...this.#queued(ledger, at),
    };
    ledger.apply(entry, { monotonic: clock.monotonic() });
    const batch = emptyBatch();
    if (event.kind === 'ended') batch.outcome = event.outcome;
    if (asked?.kind === 'approval') approvedRequest(ledger, asked, batch, this.#context(run, at, this.#policies(run)));
    // A call that waits for more people than have spoken yet still expires.
    const over = event.kind === 'unanswered' || (event.kind === 'approval' && ledger.pending.get(event.id)?.kind !== 'approval');
    const timersDone = over && batch.timers.length === 0 ? [event.id] : [];
    return this.#handOver(run, entry, { batch, timersDone, revoke: more.revoke });
  }

  /** Resolves once everything handed over for a run is durable, or was refused. */
  async settled(run: RunId): Promise<void> {
    await this.#committing.get(run);
  }

  /** Whether something handed over for a run, or for any, is not durable yet, or what follows from it has not happened. */
  isCommitting(run?: RunId): boolean {
    return run === undefined ? this.#committing.size > 0 : this.#committing.has(run);
  }

  /** The agent, or its supervisor, gives up a call that may be under way. */
  abort(run: RunId, id: number, why?: string): void {
    this.#dispatcher.abort(run, id, why);
  }

  /** Why a call that people have approved may not be made now; see approved.ts. Counts the use of its grant. */
  mayStillCall(run: BusRun, asked: PendingApproval): string | undefined {
    return mayStillCall(run.ledger, asked, this.#context(run, this.#powers.clock.now(), this.#policies(run)));
  }

  /** Why a fork may not make a call that its origin had made; see approved.ts. */
  mayCallHere(run: BusRun, call: PendingCall): string | undefined {
    return mayCallHere(run.ledger, call, this.#context(run, this.#powers.clock.now(), this.#policies(run)));
  }

  /** A call that a lost host had made is made again, unless its agent has given it up: then it costs what it may have cost. */
  again(ledger: Ledger, call: PendingCall): void {
    const { given_up, id } = call;
    if (given_up !== true) this.reissue(ledger, call);
    else this.#events.deliver(ledger.record.id, { kind: 'reply', results: [givenUp(id, 'Nobody waited for the call.')] }, undefined);
  }

  /**
   * Calls of the ledger that have no reply go out again: after a restart, or when a person says so.
   * @param first it was never made before: people have approved it only now
   * @param unpaid its run has paid nothing for it yet, though another may have made it
   */
  reissue(ledger: Ledger, call: PendingCall, first = false, unpaid = first): void {
    // It was approved, or is made again, while this host was closed; the next one finds it in the journal.
    if (this.#closed) return;
    if (first && this.#isGivenUp(ledger, call.id)) return;
    if (this.#isFenced(ledger, call.id, !first)) return;
    const tool = this.#powers.tool(ledger.record.tenant, call.tool);
    const parsed = tool?.input.check(call.input ?? {});
    if (tool === undefined || parsed?.ok !== true) {
      if (first) this.#events.answered(ledger.record.id, neverMade(call, tool, this.#isQuarantined(ledger.record.tenant)), true);
      else this.#events.unknown(ledger.record.id, call.id, `${call.tool} cannot be called on this host now.`);
      return;
    }
    this.#dispatcher.start(
      ledger.record,
      {
        id: call.id,
        tool,
        input: parsed.value as Dispatch['input'],
        timeout_ms: call.timeout_ms,
        attempts: call.attempts,
        as_handle: call.as_handle,
        unread: isUnread(call),
        ...billedAgain(tool, parsed.value as Json, call.reserved, unpaid),
        early: true,
        leftBefore: !first,
      },
      ledger.loops !== undefined,
    );
  }

  /** How often tools may be called has changed: calls that wait for that may go on. */
  limitsChanged(): void {
    this.#dispatcher.limitsChanged();
  }

  /** Whether a call has left for its tool and not come back. Before its crank is durable, it has not. */
  isUnderway(run: RunId, id: number): boolean {
    return this.#dispatcher.isUnderway(run, id);
  }

  isRevoked(grant: GrantId): boolean {
    return this.#powers.grants.isRevoked(grant);
  }

  /**
   * No crank comes any more. Commits under way become durable and their effects leave; calls have this long to answer. Then none leaves any more,
   * and those under way have a moment once they have been aborted. Their answers are durable when this resolves.
   */
  async drain(within_ms: number): Promise<void> {
    const { clock } = this.#powers;
    this.#draining = true;
    const rest = async (ms: number) => {
      const until = clock.monotonic() + ms;
      const isBusy = () => this.#slices.open.size > 0 || this.#committing.size > 0 || this.#dispatcher.size > 0;
      while (isBusy() && clock.monotonic() < until) await new Promise<void>((resolve) => clock.after(REST_MS, resolve));
    };
    await rest(within_ms);
    this.#dispatcher.stop();
    await rest(MACHINE.drain_abort_ms.default);
    await this.answers.flush();
  }

  /** No call leaves any more, not even in the place of one that is dropped. */
  halt(): void {
    this.#dispatcher.halt();
  }

  /** Nothing more leaves; what is being written may still become durable. */
  async close(): Promise<void> {
    this.#closed = true;
    // The next host runs these cranks again.
    for (const { behind } of this.#slices.open) {
      behind.drop();
      behind.drain();
    }
    await Promise.all([this.answers.flush(), ...this.#committing.values()]);
  }

  /** Stops everything that is under way for a run. Returns how many calls were aborted. */
  dropCalls(ledger: Ledger): number {
    return this.#dispatcher.drop(ledger.record.id, ledger.pending.keys());
  }

  /**
   * Whether the capability of a call that has not left was taken back; then it never leaves.
   * @param left it may have left before, from a host that is gone
   */
  #isFenced(ledger: Ledger, id: number, left = false): boolean {
    const pending = ledger.pending.get(id);
    if (pending?.kind !== 'call' || !this.#powers.grants.isRevoked(pending.grant)) return false;
    const error = errorData('CORRAL_REVOKED', 'The capability was taken back before the call had left.', { call: id });
    this.#events.fence(ledger.record.id, { id, error, ...(left ? {} : { cost: FREE }) });
    return true;
  }

  /** A call that was given up before it left never leaves; its run is told, since to it the call is still under way. */
  #isGivenUp(ledger: Ledger, id: number): boolean {
    const result = neverLeft(ledger.pending.get(id));
    if (result !== undefined) this.#events.deliver(ledger.record.id, { kind: 'reply', results: [result] }, undefined);
    return result !== undefined;
  }

  /** The time since the entry before that the run spent waiting for its host. */
  #queued({ wall }: Ledger, at: number): { readonly queued_ms?: number } {
    const queued_ms = wall.owed(at, this.#powers.clock.monotonic());
    return queued_ms === 0 ? {} : { queued_ms };
  }

  readonly #isQuarantined = (tenant: TenantId) => (name: string) => this.#powers.quarantined?.(tenant, name) === true;

  #policies({ ledger }: BusRun): Policies | undefined {
    return this.#powers.policies?.(ledger.record.tenant);
  }

  #context({ ledger, agents }: BusRun, now: number, policies: Policies | undefined): DecideContext {
    const { random, grants, tool, digest, standing, reach, approval_ms, accounts } = this.#powers;
    const { tenant } = ledger.record;
    const powers = { now, random, grants, digest, approval_ms, accounts, policies, standing: standing?.() };
    return {
      ...powers,
      tool: (name: string) => tool(tenant, name),
      quarantined: this.#isQuarantined(tenant),
      agent: (name: string) => agents.get(name),
      reach: (service: string, key: string) => reach(tenant, service, key, ledger.header),
    };
  }

  /** Commits. A failure concerns this run alone. */
  async #handOver(run: BusRun, entry: Entry, rest: CommitRest): Promise<CommitResult> {
    const { epoch } = run;
    try {
      return await this.#commit(run, entry, rest);
    } catch (error) {
      throw error instanceof Refusal ? error.reason : this.#refuse(run, epoch, rest.batch, error);
    }
  }

  /** Takes back what a refused entry would have handed out and counted, and tells of it. @returns the reason */
  #refuse(run: BusRun, epoch: number, batch: Batch, error: unknown): CorralError {
    // The commits after a refused one are refused too, all for the reason of the first.
    const reason = this.#refusals.get(run) ?? this.#reasonOf(error);
    this.#refusals.set(run, reason);
    letGo({ grants: this.#powers.grants, standing: this.#powers.standing?.() }, batch);
    // The store has counted nothing of it.
    for (const one of batch.uses.toReversed()) this.#powers.grants.unuse(one);
    batch.stop?.refused();
    this.#events.refused(run.ledger.record.id, epoch, reason);
    return reason;
  }

  /** A host that stops has left its store, which takes nothing more of it. */
  #reasonOf(error: unknown): CorralError {
    const reason = internal(error);
    if (!this.#closed || reason.code !== 'CORRAL_LEASE_LOST') return reason;
    return new CorralError('CORRAL_STOPPING', 'This host is shutting down.', { cause: error });
  }

  async #commit(run: BusRun, entry: Entry, { crank, batch, timersDone, revoke = false }: CommitRest): Promise<CommitResult> {
    const { ledger } = run;
    const { record } = ledger;
    const { outcome } = batch;
    const ending = outcome !== undefined;
    const held = ending ? [...ledger.caps.values()] : [];
    if (ending) this.#dispatcher.drop(record.id, ledger.pending.keys());
    if (revoke) for (const id of held) if (this.#powers.grants.get(id)?.holder === record.id) this.#powers.grants.revoke(id);
    // The messages of a finishing crank still leave; calls and children that it did not wait for do not.
    const outbox: Outgoing[] = [...batch.outbox];
    if (ending && record.parent !== undefined) {
      outbox.push({
        to: record.parent.run,
        key: `${entry.seq}.end`,
        delivery: {
          kind: 'child_ended',
          id: record.parent.id,
          run: record.id,
          spent: wholeAmounts(ledger),
          ...answerOf(run.agents.get(record.agent)?.manifest, handedBack(ledger, outcome), labelOf(ledger).label),
          ...handlesBack(ledger, outcome),
        },
      });
    }
    const settled = settledBy(crank, entry.event);
    const kept = this.answers.taken(record.id, settled);
    if (ending) closeTally(ledger, unsentIn(batch));
    const spending = this.accounts?.postOf(ledger, this.#powers.clock.now());
    const commit: Commit = {
      run: record.id,
      epoch: run.epoch,
      entry,
      status: statusOf(run, outcome, this.#powers.clock.now()),
      consumed: crank?.inbox,
      ...(kept.length === 0 ? {} : { answered: kept }),
      ...(ending ? labelOf(ledger) : {}),
      outbox,
      spawned: ending ? [] : batch.spawned,
      grants: ending ? [] : batch.grants,
      uses: this.#powers.grants.usesOf(batch.uses, entry.at),
      revoked: revoke ? held.filter((id) => this.#powers.grants.state(id).revoked) : [],
      timers: ending ? [] : batch.timers,
      timersDone,
      ...(mayWait(batch, entry, outbox) ? { flush: 'with-next' as const } : {}),
      ...(spending === undefined ? {} : { spend: spending.change }),
      ...(batch.stop?.quarantine === undefined ? {} : { quarantine: batch.stop.quarantine }),
    };

    let result: CommitResult;
    const committing = this.#powers.store.commit(commit);
    this.#committing.set(
      record.id,
      committing.catch(() => undefined),
    );
    const last = this.#committing.get(record.id);
    try {
      result = await committing;
    } catch (error) {
      if (spending !== undefined) this.accounts?.takeBack(spending);
      // Told while the run still counts as committing: it must not be parked with the entry that was refused.
      throw new Refusal(this.#refuse(run, commit.epoch, batch, error));
    } finally {
      if (this.#committing.get(record.id) === last) this.#committing.delete(record.id);
    }
    for (const state of result.counted ?? []) this.#powers.grants.sync(state.id, state);
    for (const state of spending?.passed ?? []) this.#events.warned(record.id, state);
    this.answers.settled(record.id, settled);
    if (ending) this.answers.forget(record.id);
    this.#release(run, batch, commit, result, timersDone);
    return result;
  }

  /** The crank is durable: the embargo on its effects is over. */
  #release(run: BusRun, batch: Batch, commit: Commit, result: CommitResult, timersDone: readonly number[]): void {
    const { ledger } = run;
    const { record } = ledger;
    const { outcome } = batch;
    batch.stop?.kept();
    // Children first: what was sent to them in the same crank must find them.
    if (outcome === undefined) for (const child of batch.spawned) this.#events.spawned(child);
    for (const id of result.created ?? []) this.#events.created(id);
    for (const [i, outgoing] of commit.outbox.entries()) {
      const number = result.delivered[i] ?? 0;
      const to = result.receivers?.[i] ?? outgoing.to;
      if (number > 0) {
        if (ledger.loops !== undefined && outgoing.delivery.kind === 'message') this.#events.sent(record.id, to, number, batch.cause);
        this.#events.deliver(to, outgoing.delivery, number);
        continue;
      }
      for (const { id } of outgoing.grants ?? []) this.#powers.grants.release(id);
    }
    const unreached = outcome === undefined ? (result.unreached ?? []) : [];
    if (unreached.length > 0) this.answers.found({ id: record.id, epoch: run.epoch }, unreached);
    for (const one of unreached) this.bounce(run, one);
    for (const id of result.answered ?? []) this.#events.arrived(id);
    for (const id of batch.disposed) this.#powers.grants.release(id);
    if (batch.context.length > 0) this.#events.context(record.id, batch.context);
    for (const { event, data } of batch.emits) this.#events.emitted(record.id, event, data);
    for (const { level, text } of batch.logs) this.#events.logged(record.id, level, text);
    if (outcome !== undefined) {
      for (const id of ledger.caps.values()) this.#powers.grants.release(id);
      // Its last crank had children that do not begin.
      for (const { id } of batch.grants) this.#powers.grants.release(id);
      for (const { tenant, version } of batch.spawned) this.#powers.standing?.().neverBegan(tenant, version);
      this.#events.ended(record.id, outcome);
      return;
    }
    // It was ended from outside while this was being written: what was still under embargo never leaves.
    if (run.outcome !== undefined) return;
    if (this.#closed) return;
    // An effect that was answered while this was written needs no timer any more.
    for (const { id, due } of batch.timers) if (isTimed(ledger.pending.get(id))) this.#events.timer(record.id, id, due);
    for (const id of timersDone) this.#events.timerDone(record.id, id);
    for (const { id, verdict } of batch.decisions) if (verdict === 'ask') this.#events.asks(record.id, id);
    for (const call of batch.dispatches) {
      if (batch.left.has(call.id) || this.#isGivenUp(ledger, call.id) || this.#isFenced(ledger, call.id)) continue;
      this.#dispatcher.start(record, call, ledger.loops !== undefined);
    }
    for (const id of batch.aborts) this.#dispatcher.abort(record.id, id);
    if (batch.withdrawn.length > 0) this.#deliverDecided(ledger, batch.withdrawn);
    // A run that a denial stops stands still already: it does nothing with what it is told before somebody lets it go on.
    this.#deliverDecided(ledger, refusedIn(batch));
  }

  /** Replies that need no tool: refusals, and the acknowledgements of sends. Those of one crank arrive together. */
  #deliverDecided(ledger: Ledger, ids: readonly number[]): void {
    const results: Result[] = [];
    for (const id of ids) {
      const pending = ledger.pending.get(id);
      if (pending?.kind !== 'decided') continue;
      // The value behind a handle can be large, so each is delivered by itself.
      if (pending.delivery.kind === 'reply' && pending.opened === undefined) results.push(...pending.delivery.results);
      else this.#events.deliver(ledger.record.id, pending.delivery, undefined);
    }
    if (results.length > 0) this.#events.deliver(ledger.record.id, { kind: 'reply', results }, undefined);
  }

  /**
   * A message reached nobody, as the store found when it took the commit: its sender is told that instead of its acknowledgement, and its
   * journal has it.
   */
  bounce(run: BusRun, result: Result): void {
    if (run.behind.deciding) return run.behind.do(() => this.bounce(run, result));
    const pending = run.ledger.pending.get(result.id);
    if (run.outcome !== undefined || pending?.kind !== 'decided' || pending.sent !== true) return;
    // A refusal is told by the event.
    this.record(run, { kind: 'unanswered', id: result.id, result }).catch(() => undefined);
  }
}
