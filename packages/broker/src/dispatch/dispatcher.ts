/**
 * Sends calls to tools and waits for results, at most as long as each call may take. All attempts of a logical call have the same
 * idempotency key. A result that arrives after its call was settled is discarded.
 */
import { detailOf } from '@corral/protocol/ports/contract';
import { errorData, type ErrorData } from '@corral/protocol/errors';
import type { RunId, TenantId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import { bounded } from '@corral/protocol/model/outcome';
import type { Cost } from '@corral/protocol/model/cost';
import type { Clock, Random } from '@corral/protocol/ports/machine';
import type { Result } from '@corral/protocol/wire/delivery';
import type { RunRecord } from '@corral/protocol/model/run';
import { mayRepeat, type NeedsInput, type ToolResult } from '@corral/protocol/ports/tool';
import { Breakers } from './breakers.ts';
import type { BrokerPowers } from '../bus.ts';
import { Gates } from './gates.ts';
import type { Attempt, DispatchEvents, DispatchPowers, Going, NotMade } from './going.ts';
import { InputRequests } from './input-requests.ts';
import { cutOff, isWorthAnother, largestResult, mayAskPeople, resultOf, type TimedOut } from './results.ts';
import { enterBoth, Room } from './room.ts';
import { billedBy, endOf, keyOf, Streams, type HostStream } from './streams.ts';
import type { Dispatch } from '../effects/batch.ts';
import { attemptsOf, Bill, FREE } from '../accounts/price.ts';

/** How often a call looks whether the lease has been renewed. */
const DEFER_MS = 50;

export class Dispatcher {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #events: DispatchEvents;
  readonly #going = new Map<string, Going>();
  readonly breakers = new Breakers();
  readonly #gates: Gates;
  readonly #room: Room;
  /** Answers that come in parts. */
  readonly streams = new Streams();
  /** Calls that wait for input of people. */
  readonly inputs: InputRequests;
  readonly #lacks: NonNullable<BrokerPowers['lacksMemory']>;
  /** Whether no other node can have taken the runs of this one. */
  readonly #isSure: () => boolean;
  readonly #traceparent: DispatchPowers['traceparent'];
  /** This host is stopping: no call is sent any more. */
  #stopped = false;

  constructor({ clock, random, limits, isSure, resultBytes, lacksMemory, traceparent }: DispatchPowers, events: DispatchEvents) {
    this.#gates = new Gates(clock, (...of) => limits?.(...of));
    this.#room = new Room({ clock, most: resultBytes, lacks: lacksMemory });
    this.#lacks = lacksMemory ?? (() => undefined);
    this.#isSure = isSure ?? (() => true);
    this.#traceparent = traceparent;
    this.#clock = clock;
    this.inputs = new InputRequests(clock);
    this.#random = random;
    this.#events = events;
  }

  /**
   * Starts a call. Its result is reported exactly once through the events, unless the run's calls are dropped first.
   * @param watched whether the tool has a circuit breaker
   */
  start(record: RunRecord, call: Dispatch, watched: boolean): void {
    const repeats = mayRepeat(call.tool.annotations);
    // The next host makes the call.
    if (this.#stopped && repeats) return;
    if (call.stream !== undefined) this.#openStream(record, call);
    const held = this.#heldFor(record.tenant, call.tool.name);
    if (held === undefined) {
      const breaker = watched ? this.breakers.admit(`${record.tenant} ${call.tool.name}`, this.#clock.monotonic()) : undefined;
      if (!watched || breaker !== undefined)
        return this.#enter(record, call, { attempt: 1, breaker, bill: new Bill(call.price, call.atLeast), lost: call.leftBefore === true });
    }
    const key = keyOf(record.id, call.id);
    const [code, why] = held ?? (['CORRAL_TOOL_BUSY', 'has not been answering, so it is not called for a while.'] as const);
    const stopTimer = this.#clock.after(0, () => {
      this.#going.delete(key);
      const error = errorData(code, `${call.tool.name} ${why}`, { call: call.id });
      const cost = call.price === undefined ? {} : { cost: { ...FREE, ...call.atLeast } };
      this.#heldBack(record, call, { id: call.id, error, ...cost });
    });
    this.#keep(record, call, { stopTimer });
  }

  #openStream(record: RunRecord, call: Dispatch): void {
    this.streams.open({
      clock: this.#clock,
      tenant: record.tenant,
      run: record.id,
      call,
      most: record.ceilings.message_bytes,
      lacks: () => this.#lacks(record.id),
      onChunk: (chunk) => this.#events.onChunk(record.id, chunk),
      look: (answer, then) => this.#events.onLook(record.id, answer, then),
    });
  }

  /** The reason why no call may be sent to a tool now, as an error code and the end of its message. */
  #heldFor(tenant: TenantId, tool: string): readonly ['CORRAL_TOOL_BUSY' | 'CORRAL_QUARANTINED', string] | undefined {
    if (this.#stopped) return ['CORRAL_TOOL_BUSY', 'was not called, since this host stops.'];
    if (!this.#events.isStopped(tenant, tool)) return undefined;
    return ['CORRAL_QUARANTINED', 'was put under quarantine before the call had left.'];
  }

  /** Reports a call that was not sent. If an earlier attempt may have been sent, the result of that one is unknown. */
  #heldBack(record: RunRecord, call: Dispatch, result: Extract<Result, { error: ErrorData }>): void {
    const once = !mayRepeat(call.tool.annotations);
    this.inputs.drop(record.id, call.id);
    if (call.leftBefore !== true) return this.#tell(record, result, once);
    const message = `${result.error.message} It may have been made before.`;
    if (once) this.#unknown(record, call.id, message);
    else this.#tell(record, { id: call.id, error: errorData('CORRAL_UNKNOWN_RESULT', message, { call: call.id }) }, once);
  }

  #tell(record: RunRecord, result: Result, once: boolean): void {
    this.streams.close(record.id, result.id);
    this.#events.onResult(record.id, result, once);
  }

  /** The result of an attempt at a call is unknown. Its run is not given what was handed over before, or it would be part of the next attempt's answer. */
  #lost(record: RunRecord, call: Dispatch, stream: HostStream | undefined, message: string, detail?: string): void {
    // A host that stops ends no crank any more.
    if (stream === undefined || this.#stopped) return this.#unknown(record, call.id, message, detail);
    const key = keyOf(record.id, call.id);
    const isHere = () => this.#going.get(key) === going;
    const tell = () => {
      if (!isHere()) return;
      this.#going.delete(key);
      this.#unknown(record, call.id, message, detail);
    };
    const going: Going = this.#keep(record, call, { stopTimer: () => undefined, giveUp: tell, ended: true });
    stream.lose(tell);
    if (isHere()) this.#events.onTakeBack(record.id, call.id, () => stream.takenBack());
  }

  #unknown(record: RunRecord, id: number, message: string, detail?: string): void {
    this.streams.close(record.id, id);
    this.#events.onUnknown(record.id, id, message, detail);
  }

  /**
   * Aborts a call that nobody awaits any more. The tool gets the signal; its result is still recorded.
   * @returns whether this aborted it: false if it is not under way, or was aborted before and its tool has not answered yet
   */
  abort(run: RunId, id: number, why = 'The agent gave the call up.'): boolean {
    const key = keyOf(run, id);
    const going = this.#going.get(key);
    if (going === undefined || going.abort.signal.aborted) return false;
    const reason = new DOMException(why, 'AbortError');
    going.abort.abort(reason);
    this.streams.get(run, id)?.drop(reason);
    going.giveUp?.();
    return true;
  }

  /** Aborts the calls of a run that has ended and discards their results. @returns the number of calls */
  drop(run: RunId, ids: Iterable<number>): number {
    let dropped = 0;
    const all = [...ids];
    this.inputs.dropRun(run);
    for (const id of all) this.streams.close(run, id);
    for (const key of this.#waitingFirst(all.map((id) => keyOf(run, id)))) {
      const going = this.#going.get(key);
      if (going === undefined) continue;
      this.#going.delete(key);
      going.stopTimer();
      if (going.breaker !== undefined) this.breakers.forget(going.breaker);
      going.abort.abort(new DOMException('The run has ended.', 'AbortError'));
      dropped += 1;
    }
    return dropped;
  }

  /** To be called when limits of tools have changed. */
  limitsChanged(): void {
    this.#gates.changed();
  }

  /**
   * Stops all calls, because this host is stopping. Calls that may be repeated are dropped, and the next host makes them again; the
   * others are aborted and may still answer.
   */
  stop(): void {
    this.halt();
    this.inputs.dropAll();
    for (const key of this.#waitingFirst([...this.#going.keys()])) {
      const going = this.#going.get(key);
      if (going === undefined) continue;
      going.stopped = true;
      if (going.repeats) {
        this.#going.delete(key);
        this.streams.close(going.run, going.id);
        going.stopTimer();
        if (going.breaker !== undefined) this.breakers.forget(going.breaker);
      }
      going.abort.abort(new DOMException('The host stops.', 'AbortError'));
      if (!going.repeats) going.giveUp?.();
    }
  }

  /** Sends no more calls, because this host is stopping. */
  halt(): void {
    this.#stopped = true;
  }

  /**
   * Puts waiting calls first. A running call that is stopped frees its place, and that must not start a waiting call that is about to be
   * stopped too.
   */
  #waitingFirst(keys: readonly string[]): readonly string[] {
    const waits = (key: string) => this.#going.get(key)?.giveUp !== undefined;
    return [...keys.filter((key) => waits(key)), ...keys.filter((key) => !waits(key))];
  }

  /** Whether a call has been sent and has no result. */
  isUnderway(run: RunId, id: number): boolean {
    return this.#going.has(keyOf(run, id));
  }

  get size(): number {
    return this.#going.size;
  }

  /** Whether a call may still be answered while no crank comes. A stream that is made again after a restart cannot go on. */
  get isAwaited(): boolean {
    const canCome = ({ run, id, ended, repeats }: Going) => !ended && !(repeats && this.streams.get(run, id) !== undefined);
    return this.#going.values().some(canCome);
  }

  /**
   * Waits until the limits of the tool allow the attempt, at most as long as the call may take. A call whose turn does not come in time
   * was never made.
   */
  #enter(record: RunRecord, call: Dispatch, one: Attempt): void {
    const { id, tool, timeout_ms } = call;
    const key = keyOf(record.id, id);
    const began = this.#clock.monotonic();
    // Created only for calls that have to wait; most do not.
    let abort: AbortController | undefined;
    const notMade = (code: NotMade, why: string) => this.#notMade(record, call, one, code, why);
    const place = { tenant: record.tenant, run: record.id, tool: tool.name, bytes: largestResult(record.ceilings, call) };
    const stopWaiting = enterBoth(this.#gates, this.#room, place, (leave) => {
      const waited = abort === undefined ? undefined : this.#going.get(key);
      if (waited === undefined || waited.abort !== abort) return this.#attempt(record, call, one, leave);
      this.#going.delete(key);
      waited.stopTimer();
      const held = this.#heldFor(record.tenant, tool.name);
      if (held !== undefined) {
        leave();
        return notMade(...held);
      }
      const left = timeout_ms === undefined ? {} : { timeout_ms: Math.max(1, timeout_ms - (this.#clock.monotonic() - began)) };
      return this.#attempt(record, { ...call, ...left }, one, leave);
    });
    if (stopWaiting === undefined) return;
    abort = new AbortController();
    const most = tool.timeout_ms ?? MACHINE.call_timeout_ms.default;
    const giveUp = () => {
      if (this.#going.get(key)?.abort !== abort) return;
      this.#going.delete(key);
      stopTimer();
      const lacking = this.#lacks(record.id);
      const turn: readonly [NotMade, string] =
        lacking === undefined
          ? ['CORRAL_TOOL_BUSY', 'is called as often as its limits allow, and the call did not get its turn.']
          : ['CORRAL_HOST_MEMORY', `was not called, since its result would not fit into memory. ${lacking}`];
      notMade(...(this.#heldFor(record.tenant, tool.name) ?? turn));
    };
    const stopClock = this.#clock.after(Math.min(timeout_ms ?? most, most), giveUp);
    const stopTimer = () => {
      stopClock();
      stopWaiting();
    };
    this.#keep(record, call, { abort, stopTimer, giveUp, breaker: one.breaker });
  }

  /** An attempt is not made. The result is that of the attempt before, if there was one; otherwise nothing was sent. */
  #notMade(record: RunRecord, call: Dispatch, { breaker, before }: Attempt, code: NotMade, why: string): void {
    if (breaker !== undefined) this.breakers.forget(breaker);
    if (before !== undefined) return before();
    const cost = call.price === undefined ? {} : { cost: { ...FREE, ...call.atLeast } };
    this.#heldBack(record, call, { id: call.id, error: errorData(code, `${call.tool.name} ${why}`, { call: call.id }), ...cost });
  }

  #attempt(record: RunRecord, call: Dispatch, one: Attempt, leave: () => void): void {
    if (!this.#isSure()) return this.#defer(record, call, one, leave);
    const { attempt, breaker, bill } = one;
    const key = keyOf(record.id, call.id);
    const abort = new AbortController();
    const stream = this.streams.get(record.id, call.id);
    const part = stream?.begin(abort.signal, () => abort.abort(new DOMException('A part was refused.', 'AbortError')));
    const most = call.tool.timeout_ms ?? MACHINE.call_timeout_ms.default;
    const timeout_ms = Math.min(call.timeout_ms ?? most, most);
    const began = this.#clock.monotonic();
    const most_attempts = attemptsOf(call.tool.annotations, call.attempts);
    const repeats = mayRepeat(call.tool.annotations);
    const settle = (said: ToolResult | NeedsInput | TimedOut) => {
      const going = this.#going.get(key);
      // The call was settled otherwise: by a timeout, or by the end of its run.
      if (going?.abort !== abort) return;
      const checked = said.kind === 'input_required' ? mayAskPeople(call, said, abort.signal) : said;
      const result = going.stopped === true && checked.kind !== 'input_required' ? cutOff(call.tool.name, checked) : checked;
      this.#going.delete(key);
      going.stopTimer();
      const now = this.#clock.monotonic();
      if (result.kind === 'input_required') {
        if (breaker !== undefined) this.breakers.settle(breaker, true, now - began, now, most * SLOW);
        this.inputs.hold(record.id, call.id, abort);
        return this.#events.onInput(record.id, call.id, result.request);
      }
      bill.attempted(billedBy(result, stream));
      const { told, well } = resultOf(call, largestResult(record.ceilings, call), result, one.lost);
      const answer = { ...told, ...costIn(bill) };
      // The agent gave the call up, or its capability was revoked; a timeout after that does not change it.
      const givenUp = abort.signal.aborted && (abort.signal.reason as DOMException).name === 'AbortError';
      if (breaker !== undefined) {
        // An aborted call, or one with a shorter timeout than the tool's own, does not count towards the breaker.
        if (givenUp || (abort.signal.aborted && timeout_ms < most)) this.breakers.forget(breaker);
        else this.breakers.settle(breaker, well, now - began, now, most * SLOW);
      }
      if (result.kind === 'unknown') {
        if (!repeats) return this.#lost(record, call, stream, bounded(result.message), result.detail);
      }
      const counted = attempt === 1 ? answer : { ...answer, attempts: attempt };
      const tell = () => this.#tell(record, stream === undefined ? counted : endOf(call, stream, counted, result), !repeats);
      if (!givenUp && attempt < most_attempts && isWorthAnother(call, result) && stream?.hasBegun !== true) {
        stream?.again();
        this.#wait(record, call, { ...one, lost: 'may_have_acted' in told }, tell);
      } else if (stream === undefined) tell();
      else this.#end(record, call, stream, counted, tell);
    };
    const stopClock = this.#clock.after(timeout_ms, () => {
      abort.abort(new DOMException('The call took too long.', 'TimeoutError'));
      const message = `${call.tool.name} did not answer within ${timeout_ms} ms.`;
      if (repeats) settle({ kind: 'timed_out', message });
      else settle({ kind: 'unknown', message });
    });
    const stopTimer = () => {
      stopClock();
      leave();
    };
    this.#keep(record, call, { abort, stopTimer, breaker });
    const traceparent = call.trace === true ? this.#traceparent?.(record, call.id) : undefined;
    const { id: run, tenant, agent, principal, submitter: person = principal } = record;
    const traced = traceparent === undefined ? {} : { traceparent };
    const given = call.given === undefined ? traced : { ...traced, given: call.given };
    const said = { ...given, ...call.keeps };
    const asked = { input: call.input, idempotency_key: key, attempt, run, tenant, agent, person, signal: abort.signal, ...said };
    this.inputs.release(record.id, call.id);
    void call.tool
      .invoke(part === undefined ? asked : { ...asked, part })
      // By contract a tool never rejects. If one does, the call has failed, and the exception is for operators only.
      .catch((error: unknown): ToolResult => ({ kind: 'failed', message: `${call.tool.name} failed.`, detail: detailOf(error) }))
      .then(settle);
  }

  /** The tool of a stream has ended. Its run is told once it has all parts, unless it gives the call up or this host stops. */
  #end(record: RunRecord, call: Dispatch, stream: HostStream, result: Result, tell: () => void): void {
    const key = keyOf(record.id, call.id);
    const isHere = () => this.#going.get(key) === going;
    const done = (then: () => void) => {
      if (!isHere()) return;
      this.#going.delete(key);
      then();
    };
    const giveUp = () => {
      const isLost = going.stopped === true && stream.isBehind;
      const refusal = { error: errorData('CORRAL_STREAM_LOST', `${call.tool.name} had answered, and its run was not given all of it.`) };
      if (isLost) stream.refuse(refusal, true);
      else done(tell);
    };
    const going: Going = this.#keep(record, call, { stopTimer: () => undefined, giveUp, ended: true });
    stream.end(result, () => done(tell));
  }

  /**
   * The lease of this node may have run out. Then another node makes the call, or reports that its result is unknown, and it must not be
   * sent from here. It is sent once the lease is renewed; where the lease is lost, the calls of the run are dropped.
   */
  #defer(record: RunRecord, call: Dispatch, one: Attempt, leave: () => void): void {
    const key = keyOf(record.id, call.id);
    const abort = new AbortController();
    const stopClock = this.#clock.after(DEFER_MS, () => {
      this.#going.delete(key);
      const held = this.#heldFor(record.tenant, call.tool.name);
      if (held === undefined) return this.#attempt(record, call, one, leave);
      leave();
      return this.#notMade(record, call, one, ...held);
    });
    const stopTimer = () => {
      stopClock();
      leave();
    };
    const giveUp = () => {
      if (this.#going.get(key)?.abort !== abort) return;
      this.#going.delete(key);
      stopTimer();
      this.#notMade(
        record,
        call,
        one,
        'CORRAL_TOOL_BUSY',
        'was not called, since this host could not make sure that it still holds the run.',
      );
    };
    this.#keep(record, call, { abort, stopTimer, giveUp, breaker: one.breaker });
  }

  /** Waits before the next attempt: exponential backoff with jitter, so that calls that failed together are not repeated together. */
  #wait(record: RunRecord, call: Dispatch, { attempt, breaker, bill, lost }: Attempt, tell: () => void): void {
    const key = keyOf(record.id, call.id);
    const most = Math.min(MACHINE.retry_base_ms.default * 2 ** (attempt - 1), MACHINE.retry_wait_ms.default);
    const abort = new AbortController();
    const jitter = (this.#random(1)[0] as number) / 255;
    const stopTimer = this.#clock.after(Math.round(most * (0.5 + jitter / 2)), () => {
      this.#going.delete(key);
      // If the tool's breaker has opened meanwhile, or the tool is under quarantine, there is no other attempt.
      if (this.#heldFor(record.tenant, call.tool.name) !== undefined) return tell();
      const passed = breaker && this.breakers.admit(breaker.name, this.#clock.monotonic());
      if (breaker !== undefined && passed === undefined) tell();
      else this.#enter(record, call, { attempt: attempt + 1, breaker: passed, bill, lost, before: tell });
    });
    const giveUp = () => {
      if (this.#going.get(key)?.abort !== abort) return;
      this.#going.delete(key);
      stopTimer();
      tell();
    };
    this.#keep(record, call, { abort, stopTimer, giveUp });
  }

  /** The call is in this state from here on. */
  #keep({ id: run }: RunRecord, { id, tool }: Dispatch, state: CallState): Going {
    const { stopTimer, abort = new AbortController(), breaker, giveUp, ended = false } = state;
    const going: Going = { run, id, abort, stopTimer, breaker, giveUp, repeats: mayRepeat(tool.annotations), ended };
    this.#going.set(keyOf(run, id), going);
    return going;
  }
}

type CallState = Pick<Going, 'stopTimer'> & Partial<Pick<Going, 'abort' | 'breaker' | 'giveUp' | 'ended'>>;

/** An answer counts as slow after this share of the tool's timeout. */
const SLOW = 0.8;

function costIn({ total }: Bill): { readonly cost?: Cost } {
  return total === undefined ? {} : { cost: total };
}
