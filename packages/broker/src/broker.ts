/**
 * The bus: the only way out of an isolate. For each crank: parse, decide (decide.ts), commit once, then let the effects
 * leave; a tool's reply is settled and becomes the next delivery (ARCHITECTURE.md, "Journal and commit").
 */
import type { PendingDelivery, Result } from '@corral/protocol/wire/delivery';
import { errorData } from '@corral/protocol/errors';
import type { GrantId, RunId, TenantId } from '@corral/protocol/ids';
import { canonical } from '@corral/protocol/json';
import { CEILINGS, MACHINE } from '@corral/protocol/limits';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { InputRequest } from '@corral/protocol/model/question';
import type { Entry, HostEvent } from '@corral/protocol/model/run';
import type { CommitResult } from '@corral/protocol/ports/store';
import { mayCallHere, mayStillCall } from './policies/approved.ts';
import type { BrokerPowers, BusEvents, BusRun, Crank, CrankTold } from './bus.ts';
import { Answers } from './commit/answers.ts';
import { Commits } from './commit/commits.ts';
import { Departures } from './dispatch/departures.ts';
import { begin } from './commit/context.ts';
import { emptyBatch, type Batch } from './effects/batch.ts';
import { CrankDraft } from './commit/draft.ts';
import { Slices, type SlicesOptions } from './commit/slices.ts';
import { Turns } from './commit/turns.ts';
import { DraftPolicies } from './policies/draft-policies.ts';
import type { OpenBreaker } from './dispatch/breakers.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { InspectedEffects } from './dispatch/inspected.ts';
import { Inspections } from './dispatch/inspections.ts';
import { neverLeft } from './dispatch/given-up.ts';
import { timersEnded } from './ledger/requests.ts';
import { approvedRequest } from './effects/service.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { KeptRun } from './memory.ts';
import { needsInput, type PendingApproval, type PendingCall } from './ledger/pending.ts';
import type { DecideContext } from './effects/context.ts';
import type { Policies } from './policies/port.ts';
import { callsIn, eventOf } from './commit/entry.ts';
import { privateTo } from './commit/private-to.ts';

/** The work of a run when it ended: a delivery, and its text for the journal. */
interface Undone {
  readonly delivery: PendingDelivery;
  readonly text: string;
}

/** Time for which a request for input is held after the time of people is over: its run is told first, if this host has it. Milliseconds. */
const EXPIRED_MS = 60_000;
/** How often a host that comes to rest looks whether it has. */
const REST_MS = 5;
/** The longest text of effects that can have been taken. */
const EFFECTS_KEPT = MACHINE.effects_bytes.default + Math.max(CEILINGS.message_bytes.max, CEILINGS.model_request_bytes.max);

export class Broker {
  readonly #powers: BrokerPowers;
  readonly #events: BusEvents;
  readonly #dispatcher: Dispatcher;
  readonly #departures: Departures;
  readonly #commits: Commits;
  readonly #inspected: InspectedEffects;
  /** Answers of calls that may not be repeated. */
  readonly answers: Answers;
  /** Purses above the runs. */
  readonly accounts: BrokerPowers['accounts'];
  readonly #slices: SlicesOptions;
  #closed = false;
  #draining = false;

  constructor(powers: BrokerPowers, events: BusEvents) {
    this.#powers = powers;
    this.#events = events;
    this.accounts = powers.accounts;
    const { clock, accounts, slice } = powers;
    const turns = new Turns(clock, (tenant) => this.#commits.isBehind(tenant as TenantId));
    this.#slices = {
      clock,
      turns,
      accounts,
      slice,
      draft: this.#draft,
      inspect: (...of) => this.#inspected.output(...of),
      open: new Set(),
    };
    this.answers = new Answers(powers.store, powers.clock);
    this.#dispatcher = new Dispatcher(powers, {
      isStopped: (tenant, tool) => this.#isQuarantined(tenant)(tool),
      onResult: (run, result, once) => this.#events.answered(run, result, once || this.#draining),
      onUnknown: (run, id, message, detail) => this.#events.unknown(run, id, message, detail),
      onInput: (run, id, request) => this.#events.input(run, id, request),
      onChunk: (run, chunk) => this.#events.streamed(run, chunk),
      onTakeBack: (...of) => this.#events.takeBack(...of),
      onLook: (...of) => this.#events.looks(...of),
    });
    const closed = () => this.#closed;
    const dispatcher = this.#dispatcher;
    this.#departures = new Departures({ powers, events, dispatcher, quarantined: this.#isQuarantined, closed });
    const record = (run: BusRun, event: HostEvent) => this.record(run, event);
    this.#inspected = new InspectedEffects(
      {
        powers,
        events,
        policies: (run) => this.#policies(run),
        context: (...of) => this.#context(...of),
        write: (run, event, batch) => this.record(run, event, { batch }),
        closed,
      },
      new Inspections({ clock, inspector: (tenant, name) => powers.policies?.(tenant)?.inspectors?.get(name) }),
    );
    const inspect = (run: BusRun, call: number) => this.#inspected.call(run, call);
    this.#commits = new Commits({
      powers,
      events,
      answers: this.answers,
      dispatcher,
      departures: this.#departures,
      inspect,
      stopInspecting: (run) => this.#inspected.drop(run),
      record,
      closed,
      onCaughtUp: () => turns.resume(),
    });
  }

  /** Bytes of commits that wait for the store's writer, and of streams that wait for their runs, by tenant. */
  *waiting(): Iterable<KeptRun> {
    yield* this.#commits.waiting();
    yield* this.#dispatcher.streams.waiting();
  }

  /** Circuit breakers of tools that are open or half open. */
  openBreakers(): OpenBreaker[] {
    return this.#dispatcher.breakers.open();
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
  crank(run: BusRun, crank: Crank, { taken, durable, failed, stopped, after }: CrankTold): void {
    const done = (draft: CrankDraft) => {
      const { seq } = run.ledger;
      let outcome: Outcome | undefined;
      try {
        outcome = this.#adopt(run, crank, draft, durable);
      } catch (error) {
        // Nothing of it was handed to the store; the next entry takes its place.
        run.ledger.seq = seq;
        return failed(error);
      }
      taken(outcome, draft.batch.decisions);
    };
    new Slices(this.#slices, run, crank, { done, failed, stopped, after }).begin();
  }

  readonly #draft = (run: BusRun, crank: Crank): CrankDraft => {
    const policies = this.#policies(run);
    const drafted = policies === undefined ? undefined : new DraftPolicies(policies);
    return new CrankDraft(run, crank, this.#context(run, this.#powers.clock.now(), drafted), drafted);
  };

  /** The crank is decided: the run has it from here on. */
  #adopt(run: BusRun, crank: Crank, draft: CrankDraft, durable: CrankTold['durable']): Outcome | undefined {
    const { ledger } = run;
    const { record, loops } = ledger;
    const { batch, effects, now } = draft;
    const seq = ledger.seq + 1;
    const over = timersEnded(ledger, crank.delivery);
    const answered = callsIn(ledger, crank.delivery);
    const changes = begin(ledger, crank.delivery);
    const mayRead = privateTo(ledger, { delivery: crank.delivery, event: undefined });
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
      ...(draft.decide_us === 0 ? {} : { decide_us: draft.decide_us }),
      ...this.#queued(ledger),
      ...(crank.delivery.kind === 'message' && crank.inbox !== undefined ? { inbox: crank.inbox } : {}),
    };
    if (ledger.segment_entries === MACHINE.checkpoint_hint_entries.default) {
      const text = `${ledger.segment_entries} entries since the last checkpoint: bringing this run back takes as long as replaying them. checkpoint(state) makes it short again.`;
      this.#events.logged(record.id, 'warn', text, undefined);
    }
    ledger.seal(entry, this.#powers.clock.monotonic());
    const private_to = mayRead(entry);
    if (batch.outcome === undefined) {
      const asked_at = this.#powers.clock.monotonic();
      for (const call of batch.dispatches) {
        const pending = ledger.pending.get(call.id);
        if (pending?.kind === 'call') pending.asked_at = asked_at;
        if (!call.early || neverLeft(pending) !== undefined) continue;
        // After a crank that took long they wait for the commit, since starting them takes time too.
        if (draft.decide_us > 0) break;
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
    this.#commits.handOver(run, { ...entry, private_to }, { crank, answered, batch, timersDone, durable }).catch(() => undefined);
    return batch.outcome;
  }

  /**
   * Writes down something the host did to a run; the ledger has it when this returns. Ends the run if the event says so.
   * @throws whatever the store refused it for; nothing of it has happened then. Error if a crank of the run is being decided
   * @param more `revoke`: take back the run's grants, and so everything derived from them; `crank`: what it was working on;
   * `cpu_us`: what it had used of the CPU for that; `batch`: what leaves with it
   */
  record(
    run: BusRun,
    event: HostEvent,
    more: { readonly revoke?: boolean; readonly crank?: Undone | undefined; readonly cpu_us?: number; readonly batch?: Batch } = {},
  ): Promise<CommitResult> {
    const { ledger } = run;
    const { clock, identity } = this.#powers;
    const at = clock.now();
    const who = 'by' in event ? identity?.(event.by) : undefined;
    const asked = event.kind === 'approval' ? ledger.pending.get(event.id) : undefined;
    const mayRead = privateTo(ledger, { delivery: more.crank?.delivery, event });
    const entry: Entry = {
      seq: ledger.seq + 1,
      at,
      delivery: more.crank?.text,
      effects: undefined,
      decisions: [],
      event: who === undefined ? event : { ...event, who },
      cpu_us: Math.round(more.cpu_us ?? 0),
      ...this.#queued(ledger),
    };
    const monotonic = clock.monotonic();
    ledger.apply(entry, { monotonic });
    const private_to = mayRead(entry);
    const { batch = emptyBatch() } = more;
    for (const { id } of batch.dispatches) {
      const pending = ledger.pending.get(id);
      if (pending?.kind === 'call') pending.asked_at = monotonic;
    }
    if (event.kind === 'ended') batch.outcome = event.outcome;
    // The questions of a run from a backup have their whole time again.
    if (event.kind === 'released')
      for (const one of ledger.pending.values()) if (needsInput(one)) batch.timers.push({ id: one.id, due: one.expires_at });
    if (asked?.kind === 'approval') approvedRequest(ledger, asked, batch, this.#context(run, at, this.#policies(run)));
    // A call that waits for more people than have spoken yet still expires.
    const settled = event.kind === 'unanswered' || event.kind === 'unknown';
    const over = settled || (event.kind === 'approval' && ledger.pending.get(event.id)?.kind !== 'approval');
    const timersDone = over && batch.timers.length === 0 ? [event.id] : [];
    return this.#commits.handOver(run, { ...entry, private_to }, { batch, timersDone, revoke: more.revoke });
  }

  /** The tool of a call needs input of people: the call waits for them from here on, at most as long as its agent does. */
  askForInput(run: BusRun, id: number, request: InputRequest): void {
    const { ledger } = run;
    const call = ledger.pending.get(id);
    if (call?.kind !== 'call') return;
    const { clock, approval_ms = MACHINE.approval_ms.default, digest } = this.#powers;
    const within_ms = Math.min(approval_ms, call.timeout_ms ?? approval_ms);
    const expires_at = clock.now() + within_ms;
    this.#dispatcher.inputs.endAfter(ledger.record.id, id, within_ms + EXPIRED_MS);
    const batch = emptyBatch();
    batch.timers.push({ id, due: expires_at });
    const event: HostEvent = { kind: 'input_required', id, tool: call.tool, request, digest: digest(canonical(call.input)), expires_at };
    // If the store refuses it, the broker emits `refused`.
    this.record(run, event, { batch }).then(
      () => this.#events.asks(ledger.record.id, { id }),
      () => undefined,
    );
  }

  /** Whether the tool of a call that waits for input has asked this host. */
  hasAsked(run: RunId, id: number): boolean {
    return this.#dispatcher.inputs.has(run, id);
  }

  /** The tool that has asked for input is told that there will be none. */
  dropInput(run: RunId, id: number): void {
    this.#dispatcher.inputs.drop(run, id);
  }

  /** @see Commits.settled */
  settled(run?: RunId): Promise<void> {
    return this.#commits.settled(run);
  }

  /** @see Commits.isCommitting */
  isCommitting(run?: RunId): boolean {
    return this.#commits.isCommitting(run);
  }

  /** @see Commits.bounce */
  bounce(run: BusRun, result: Result): void {
    this.#commits.bounce(run, result);
  }

  /** @see Departures.again */
  again(ledger: Ledger, call: PendingCall): void {
    this.#departures.again(ledger, call);
  }

  /** @see Departures.reissue */
  reissue(ledger: Ledger, call: PendingCall, first?: boolean, unpaid?: boolean): void {
    this.#departures.reissue(ledger, call, first, unpaid);
  }

  /** The agent, or its supervisor, gives up a call that may be under way. @see Dispatcher.abort */
  abort(run: RunId, id: number, why?: string): boolean {
    return this.#dispatcher.abort(run, id, why);
  }

  /** Ends a stream of which the run is given nothing more. @param limit for which it is refused */
  refuseStream(run: RunId, id: number, message: string, limit: 'bytes'): void {
    const error = errorData('CORRAL_BUDGET_EXCEEDED', message, { call: id, limit });
    this.#dispatcher.streams.get(run, id)?.refuse({ error }, true);
  }

  /** Why a call that people have approved may not be made now; see approved.ts. Counts the use of its grant. */
  mayStillCall(run: BusRun, asked: PendingApproval): string | undefined {
    return mayStillCall(run.ledger, asked, this.#context(run, this.#powers.clock.now(), this.#policies(run)));
  }

  /** Why a fork may not make a call that its origin had made; see approved.ts. */
  mayCallHere(run: BusRun, call: PendingCall): string | undefined {
    return mayCallHere(run.ledger, call, this.#context(run, this.#powers.clock.now(), this.#policies(run)));
  }

  /** Asks the inspectors for which a call waits; after a restart. */
  inspect(run: BusRun, call: number): void {
    this.#inspected.call(run, call);
  }

  /** @see InspectedEffects.answer */
  inspectAnswer(run: BusRun, result: Result): Result | Promise<Result | undefined> {
    return this.#inspected.answer(run, result);
  }

  /** How often tools may be called has changed: calls that wait for that may go on. */
  limitsChanged(): void {
    this.#dispatcher.limitsChanged();
  }

  /** Whether a call has left for its tool and its answer is not there, or is being inspected. Before its crank is durable, it has not. */
  isUnderway(run: RunId, id: number): boolean {
    return this.#dispatcher.isUnderway(run, id) || this.#inspected.isUnderway(run, id);
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
      const isBusy = () => this.#slices.open.size > 0 || this.#commits.isCommitting() || this.#dispatcher.isAwaited;
      while (isBusy() && clock.monotonic() < until) await new Promise<void>((resolve) => clock.after(REST_MS, resolve));
    };
    await rest(within_ms);
    this.#dispatcher.stop();
    this.#inspected.stop();
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
    await Promise.all([this.answers.flush(), this.#commits.settled()]);
    // Answers of commits that were refused meanwhile.
    await this.answers.flush();
  }

  /** Stops everything that is under way for a run. Returns how many calls were aborted. */
  dropCalls(ledger: Ledger): number {
    this.#inspected.drop(ledger.record.id);
    return this.#dispatcher.drop(ledger.record.id, ledger.pending.keys());
  }

  /**
   * The time since the entry before that the run spent waiting for its host. Both clocks are read now: the time of the entry itself is
   * that at which its crank began to be decided, and a run does not have to make up for how long that took.
   */
  #queued({ wall }: Ledger): { readonly queued_ms?: number } {
    const { clock } = this.#powers;
    const monotonic = clock.monotonic();
    const queued_ms = wall.owed(clock.now(), monotonic);
    return queued_ms === 0 ? {} : { queued_ms };
  }

  readonly #isQuarantined = (tenant: TenantId) => (name: string) => this.#powers.quarantined?.(tenant, name) === true;

  #policies({ ledger }: BusRun): Policies | undefined {
    return this.#powers.policies?.(ledger.record.tenant);
  }

  #context({ ledger, agents }: BusRun, now: number, policies: Policies | undefined): DecideContext {
    const { random, grants, tool, digest, standing, reach, approval_ms, accounts, lacksMemory } = this.#powers;
    const { tenant } = ledger.record;
    const powers = { now, random, grants, digest, approval_ms, accounts, policies, standing: standing?.() };
    return {
      ...powers,
      lacksMemory: lacksMemory && (() => lacksMemory(ledger.record.id)),
      tool: (name: string) => tool(tenant, name),
      quarantined: this.#isQuarantined(tenant),
      agent: (name: string) => agents.get(name),
      reach: (service: string, key: string) => reach(tenant, service, key, ledger.header),
    };
  }
}
