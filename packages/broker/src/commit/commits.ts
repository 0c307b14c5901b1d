/**
 * Commits on their way to the store, and what follows once they are durable: the embargo on the effects ends, or a refusal takes back what
 * the entry would have handed out.
 */
import type { Result } from '@corral/protocol/wire/delivery';
import { CorralError } from '@corral/protocol/errors';
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Entry, HostEvent } from '@corral/protocol/model/run';
import type { Commit, CommitResult, Outgoing } from '@corral/protocol/ports/store';
import { wholeAmounts } from '../accounts/spending.ts';
import { closeTally } from '../accounts/tally.ts';
import type { BrokerPowers, BusEvents, BusRun, CommitRest } from '../bus.ts';
import type { Departures } from '../dispatch/departures.ts';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import { letGo, refusedIn, unsentIn, type Batch } from '../effects/batch.ts';
import { labelOf } from '../effects/common.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { KeptRun } from '../memory.ts';
import { isTimed } from '../ledger/requests.ts';
import type { Answers } from './answers.ts';
import { answerOf } from './child-answer.ts';
import { internal } from './endings.ts';
import { mayWait, Refusal, settledBy } from './entry.ts';
import { handedBack, handlesBack } from './finish.ts';
import { statusOf } from './status.ts';

/** Commits of one tenant that wait for the store's writer, from which on it decides no further crank: their number, and bytes of their text. */
const BEHIND = 1_024;
const BEHIND_BYTES = 4 * 1024 * 1024;

interface Waiting {
  readonly bytes: number;
  readonly count: number;
}

export interface CommitsOptions {
  readonly powers: Pick<BrokerPowers, 'store' | 'clock' | 'grants' | 'accounts' | 'standing'>;
  readonly events: BusEvents;
  readonly answers: Answers;
  readonly dispatcher: Dispatcher;
  readonly departures: Departures;
  /** Asks the inspectors for which a call waits. */
  readonly inspect: (run: BusRun, call: number) => void;
  readonly stopInspecting: (run: RunId) => void;
  /** Writes down an event of the host; see Broker.record. */
  readonly record: (run: BusRun, event: HostEvent) => Promise<CommitResult>;
  /** Whether this host has left its store. */
  readonly closed: () => boolean;
  /** Some tenant is not behind any more. */
  readonly onCaughtUp: () => void;
}

export class Commits {
  readonly #options: CommitsOptions;
  /** The last commit of each run that is not durable yet. */
  readonly #committing = new Map<RunId, Promise<unknown>>();
  /** The commits of each tenant that are not durable yet. */
  readonly #waiting = new Map<TenantId, Waiting>();
  readonly #refusals = new WeakMap<BusRun, CorralError>();

  constructor(options: CommitsOptions) {
    this.#options = options;
  }

  /** Resolves once everything handed over for a run, or for all, is durable, or was refused. */
  async settled(run?: RunId): Promise<void> {
    if (run === undefined) await Promise.all(this.#committing.values());
    else await this.#committing.get(run);
  }

  /** Whether something handed over for a run, or for any, is not durable yet, or what follows from it has not happened. */
  isCommitting(run?: RunId): boolean {
    return run === undefined ? this.#committing.size > 0 : this.#committing.has(run);
  }

  /** Bytes that wait for the store's writer, by tenant. */
  *waiting(): Iterable<KeptRun> {
    for (const [tenant, { bytes }] of this.#waiting) yield { tenant, memory: bytes };
  }

  /** Whether as much of a tenant waits for the store's writer as may. */
  isBehind(tenant: TenantId): boolean {
    const waiting = this.#waiting.get(tenant);
    return waiting !== undefined && (waiting.count >= BEHIND || waiting.bytes >= BEHIND_BYTES);
  }

  /** Counts a commit as memory of its tenant until it is written. @returns a function to call then */
  #wait(tenant: TenantId, bytes: number): () => void {
    const add = (count: 1 | -1) => {
      const before = this.#waiting.get(tenant) ?? { bytes: 0, count: 0 };
      const now = { bytes: before.bytes + count * bytes, count: before.count + count };
      if (now.count > 0) this.#waiting.set(tenant, now);
      else this.#waiting.delete(tenant);
    };
    add(1);
    return () => {
      const wasBehind = this.isBehind(tenant);
      add(-1);
      if (wasBehind && !this.isBehind(tenant)) this.#options.onCaughtUp();
    };
  }

  /** Commits. A failure concerns this run alone. */
  async handOver(run: BusRun, entry: Entry, rest: CommitRest): Promise<CommitResult> {
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
    letGo({ grants: this.#options.powers.grants, standing: this.#options.powers.standing?.() }, batch);
    // The store has counted nothing of it.
    for (const one of batch.uses.toReversed()) this.#options.powers.grants.unuse(one);
    batch.stop?.refused();
    this.#options.events.refused(run.ledger.record.id, epoch, reason);
    return reason;
  }

  /** A host that stops has left its store, which takes nothing more of it. */
  #reasonOf(error: unknown): CorralError {
    const reason = internal(error);
    if (!this.#options.closed() || reason.code !== 'CORRAL_LEASE_LOST') return reason;
    return new CorralError('CORRAL_STOPPING', 'This host is shutting down.', { cause: error });
  }

  async #commit(run: BusRun, entry: Entry, rest: CommitRest): Promise<CommitResult> {
    const { crank, answered = [], batch, timersDone, revoke = false, durable } = rest;
    const { ledger } = run;
    const { record } = ledger;
    const { outcome } = batch;
    const ending = outcome !== undefined;
    const held = ending ? [...ledger.caps.values()] : [];
    if (ending) {
      this.#options.dispatcher.drop(record.id, ledger.pending.keys());
      this.#options.stopInspecting(record.id);
    }
    if (revoke)
      for (const id of held) if (this.#options.powers.grants.get(id)?.holder === record.id) this.#options.powers.grants.revoke(id);
    // The messages of a finishing crank still leave; calls and children that it did not wait for do not.
    const outbox = [...batch.outbox, ...(outcome === undefined ? [] : endFor(run, entry, outcome))];
    const settled = settledBy(crank, entry.event);
    const kept = this.#options.answers.taken(record.id, settled);
    if (ending) closeTally(ledger, unsentIn(batch));
    const spending = this.#options.powers.accounts?.postOf(ledger, this.#options.powers.clock.now());
    const uses = this.#options.powers.grants.usesOf(batch.uses, entry.at);
    const counted = { outbox, uses, ...(spending === undefined ? {} : { spend: spending.change }) };
    const commit: Commit = {
      ...counted,
      run: record.id,
      epoch: run.epoch,
      entry,
      status: statusOf(run, outcome, this.#options.powers.clock.now(), entry.private_to),
      consumed: crank?.inbox,
      ...(kept.length === 0 ? {} : { answered: kept }),
      ...(ending ? labelOf(ledger) : {}),
      spawned: ending ? [] : batch.spawned,
      grants: ending ? [] : batch.grants,
      revoked: revoke ? held.filter((id) => this.#options.powers.grants.state(id).revoked) : [],
      timers: ending ? [] : batch.timers,
      timersDone,
      ...(mayWait(batch, entry, crank?.delivery.kind, counted) ? { flush: 'with-next' as const } : {}),
      ...(batch.stop?.quarantine === undefined ? {} : { quarantine: batch.stop.quarantine }),
    };

    let result: CommitResult;
    const committing = this.#options.powers.store.commit(commit);
    const written = this.#wait(record.tenant, bytesOf(commit));
    this.#committing.set(
      record.id,
      committing.catch(() => undefined),
    );
    const last = this.#committing.get(record.id);
    try {
      result = await committing;
    } catch (error) {
      if (spending !== undefined) this.#options.powers.accounts?.takeBack(spending);
      this.#options.answers.refused({ id: record.id, epoch: commit.epoch }, answered);
      // Told while the run still counts as committing: it must not be parked with the entry that was refused.
      throw new Refusal(this.#refuse(run, commit.epoch, batch, error));
    } finally {
      written();
      if (this.#committing.get(record.id) === last) this.#committing.delete(record.id);
    }
    for (const state of result.counted ?? []) this.#options.powers.grants.sync(state.id, state);
    for (const state of spending?.passed ?? []) this.#options.events.warned(record.id, state);
    this.#options.answers.settled(record.id, settled);
    if (ending) this.#options.answers.forget(record.id);
    durable?.();
    this.#release(run, batch, commit, result, timersDone, crank);
    return result;
  }

  /** The crank is durable: the embargo on its effects is over. */
  #release(
    run: BusRun,
    batch: Batch,
    commit: Commit,
    result: CommitResult,
    timersDone: readonly number[],
    crank: CommitRest['crank'],
  ): void {
    const { ledger } = run;
    const { record } = ledger;
    const { outcome } = batch;
    batch.stop?.kept();
    const { event } = commit.entry;
    if (event?.kind === 'control') this.#options.events.controlled(record.id, event.control, event.by);
    // Children first: what was sent to them in the same crank must find them.
    if (outcome === undefined) for (const child of batch.spawned) this.#options.events.spawned(child);
    for (const id of result.created ?? []) this.#options.events.created(id);
    for (const [i, outgoing] of commit.outbox.entries()) {
      const number = result.delivered[i] ?? 0;
      const to = result.receivers?.[i] ?? outgoing.to;
      if (number > 0) {
        if (ledger.loops !== undefined && outgoing.delivery.kind === 'message')
          this.#options.events.sent(record.id, to, number, batch.cause);
        this.#options.events.deliver(to, outgoing.delivery, number);
        continue;
      }
      for (const { id } of outgoing.grants ?? []) this.#options.powers.grants.release(id);
    }
    const unreached = outcome === undefined ? (result.unreached ?? []) : [];
    if (unreached.length > 0) this.#options.answers.found({ id: record.id, epoch: run.epoch }, unreached);
    for (const one of unreached) this.bounce(run, one);
    for (const id of result.answered ?? []) this.#options.events.arrived(id);
    for (const id of batch.disposed) this.#options.powers.grants.release(id);
    if (batch.context.length > 0) this.#options.events.context(record.id, batch.context);
    const { seq: entry, private_to = [] } = commit.entry;
    const isPrivate = private_to.length > 0;
    if (crank?.delivery.kind === 'chunk') {
      const { id, offset, parts } = crank.delivery;
      this.#options.events.chunk(record.id, id, offset, parts.length, { entry, part: 0, isPrivate });
      this.#options.dispatcher.streams.get(record.id, id)?.kept();
    }
    for (const { event: name, data, part } of batch.emits) this.#options.events.emitted(record.id, name, data, { entry, part, isPrivate });
    for (const [part, { level, text }] of batch.logs.entries())
      this.#options.events.logged(record.id, level, text, { entry, part, isPrivate });
    if (outcome !== undefined) {
      for (const id of ledger.caps.values()) this.#options.powers.grants.release(id);
      // Its last crank had children that do not begin.
      for (const { id } of batch.grants) this.#options.powers.grants.release(id);
      for (const child of batch.spawned) this.#options.powers.standing?.().neverBegan(child);
      this.#options.events.ended(record.id, outcome);
      return;
    }
    // It was ended from outside while this was being written: what was still under embargo never leaves.
    if (run.outcome !== undefined) return;
    if (this.#options.closed()) return;
    // An effect that was answered while this was written needs no timer any more.
    for (const { id, due } of batch.timers) if (isTimed(ledger.pending.get(id))) this.#options.events.timer(record.id, id, due);
    for (const id of timersDone) {
      this.#options.events.timerDone(record.id, id);
      // A call that goes on with an answer is one under way by now.
      if (ledger.pending.get(id)?.kind !== 'call') this.#options.dispatcher.inputs.drop(record.id, id);
    }
    for (const decision of batch.decisions) {
      if (decision.verdict === 'ask') this.#options.events.asks(record.id, decision);
      else if (decision.verdict === 'inspect') this.#options.inspect(run, decision.id);
    }
    for (const call of batch.dispatches) {
      if (!batch.left.has(call.id)) this.#options.departures.depart(ledger, call);
    }
    for (const id of batch.pulls) this.#options.dispatcher.streams.get(record.id, id)?.pull();
    for (const id of batch.aborts) this.#options.dispatcher.abort(record.id, id);
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
      else this.#options.events.deliver(ledger.record.id, pending.delivery, undefined);
    }
    if (results.length > 0) this.#options.events.deliver(ledger.record.id, { kind: 'reply', results }, undefined);
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
    this.#options.record(run, { kind: 'unanswered', id: result.id, result }).catch(() => undefined);
  }
}

/** The end of a run, as its parent is told. */
function endFor({ ledger, agents }: BusRun, { seq }: Entry, outcome: Outcome): Outgoing[] {
  const { id, agent, parent } = ledger.record;
  if (parent === undefined) return [];
  const delivery = {
    kind: 'child_ended' as const,
    id: parent.id,
    run: id,
    spent: wholeAmounts(ledger),
    ...answerOf(agents.get(agent)?.manifest, handedBack(ledger, outcome), labelOf(ledger).label),
    ...handlesBack(ledger, outcome),
  };
  return [{ to: parent.run, key: `${seq}.end`, delivery }];
}

/** Text of a commit, and as much again where parts of it go to others as values. */
function bytesOf({ entry: { delivery, effects }, outbox, spawned }: Commit): number {
  const text = (delivery?.length ?? 0) + (effects?.length ?? 0);
  return outbox.length + spawned.length > 0 ? 2 * text : text;
}
