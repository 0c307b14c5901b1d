/**
 * Sends calls to tools and waits for what comes back, for as long as the call may take. Each logical call has one
 * idempotency key however often it is attempted; a reply that comes after its call was given up is fenced off.
 */
import { detailOf } from '@corral/protocol/ports/contract';
import { errorData, type ErrorData } from '@corral/protocol/errors';
import type { RunId, TenantId } from '@corral/protocol/ids';
import { viewOf } from '@corral/protocol/wire/handle';
import { isDeeperThan, JSON_MAX_DEPTH, type Json } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import { bounded } from '@corral/protocol/model/outcome';
import type { Cost } from '@corral/protocol/model/cost';
import type { Clock, Random } from '@corral/protocol/ports/machine';
import type { Result } from '@corral/protocol/wire/delivery';
import type { RunRecord } from '@corral/protocol/model/run';
import { mayRepeat, type ToolResult } from '@corral/protocol/ports/tool';
import { Breakers } from './breakers.ts';
import type { BrokerPowers } from '../bus.ts';
import { Gates } from './gates.ts';
import type { Dispatch } from '../effects/batch.ts';
import { attemptsOf, Bill, FREE } from '../accounts/price.ts';

export interface DispatchEvents {
  /** Whether a tool of a tenant is under quarantine: then no call leaves for it. */
  readonly isStopped: (tenant: TenantId, tool: string) => boolean;
  /** @param once it may not be asked again */
  readonly onResult: (run: RunId, result: Result, once: boolean) => void;
  /** The tool began and its result is lost. */
  readonly onUnknown: (run: RunId, id: number, message: string, detail?: string) => void;
}

interface Going {
  readonly run: RunId;
  readonly abort: AbortController;
  readonly stopTimer: () => void;
  /** The breaker that has let it through. */
  readonly breaker: string | undefined;
  /** Between two attempts: there will be no other. */
  readonly giveUp?: () => void;
  /** Another host may make it again. */
  readonly repeats: boolean;
  /** This host stops, and has aborted it. */
  stopped?: true;
}

export class Dispatcher {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #events: DispatchEvents;
  readonly #going = new Map<string, Going>();
  readonly breakers = new Breakers();
  readonly #gates: Gates;
  /** This host stops, and has stopped its calls: none leaves any more. */
  #stopped = false;

  constructor({ clock, random, limits }: Pick<BrokerPowers, 'clock' | 'random' | 'limits'>, events: DispatchEvents) {
    this.#gates = new Gates(clock, (...of) => limits?.(...of));
    this.#clock = clock;
    this.#random = random;
    this.#events = events;
  }

  /**
   * Starts a call. Its result arrives by the events, exactly once, unless the run's calls are dropped first.
   * @param watched whether a circuit breaker stands before the tool
   */
  start(record: RunRecord, call: Dispatch, watched: boolean): void {
    const breaker = watched ? `${record.tenant} ${call.tool.name}` : undefined;
    const repeats = mayRepeat(call.tool.annotations);
    // The next host makes it.
    if (this.#stopped && repeats) return;
    const held = this.#heldFor(record.tenant, call.tool.name);
    if (held === undefined && (breaker === undefined || this.breakers.admit(breaker, this.#clock.monotonic())))
      return this.#enter(record, call, 1, breaker, new Bill(call.price, call.atLeast));
    const key = keyOf(record.id, call.id);
    const [code, why] = held ?? (['CORRAL_TOOL_BUSY', 'has not been answering; it is left alone for a while.'] as const);
    const stopTimer = this.#clock.after(0, () => {
      this.#going.delete(key);
      const error = errorData(code, `${call.tool.name} ${why}`, { call: call.id });
      const cost = call.price === undefined ? {} : { cost: { ...FREE, ...call.atLeast } };
      this.#heldBack(record, call, { id: call.id, error, ...cost });
    });
    this.#going.set(key, { run: record.id, abort: new AbortController(), stopTimer, breaker: undefined, repeats });
  }

  /** Why no call leaves for a tool now, as an error and the rest of its sentence. */
  #heldFor(tenant: TenantId, tool: string): readonly ['CORRAL_TOOL_BUSY' | 'CORRAL_QUARANTINED', string] | undefined {
    if (this.#stopped) return ['CORRAL_TOOL_BUSY', 'was not called, since this host stops.'];
    if (!this.#events.isStopped(tenant, tool)) return undefined;
    return ['CORRAL_QUARANTINED', 'was put under quarantine before the call had left.'];
  }

  /** A call was not made. Where it may have left before, that says nothing about what came of it then. */
  #heldBack(record: RunRecord, call: Dispatch, result: Extract<Result, { error: ErrorData }>): void {
    const once = !mayRepeat(call.tool.annotations);
    if (call.leftBefore !== true) return this.#events.onResult(record.id, result, once);
    const message = `${result.error.message} It may have been made before.`;
    if (once) this.#events.onUnknown(record.id, call.id, message);
    else this.#events.onResult(record.id, { id: call.id, error: errorData('CORRAL_UNKNOWN_RESULT', message, { call: call.id }) }, once);
  }

  /** Nobody waits for this call any more. The tool is told; its result is still recorded. */
  abort(run: RunId, id: number, why = 'The agent gave the call up.'): void {
    const going = this.#going.get(keyOf(run, id));
    going?.abort.abort(new DOMException(why, 'AbortError'));
    going?.giveUp?.();
  }

  /** The run is over: its calls are aborted and whatever they still return is dropped. Returns how many there were. */
  drop(run: RunId, ids: Iterable<number>): number {
    let dropped = 0;
    for (const key of this.#waitingFirst([...ids].map((id) => keyOf(run, id)))) {
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

  /** Limits of tools have changed. */
  limitsChanged(): void {
    this.#gates.changed();
  }

  /**
   * This host stops: no call leaves any more. Calls that may be repeated are left to the next host, which makes them again; the others
   * are aborted and may still answer.
   */
  stop(): void {
    this.halt();
    for (const key of this.#waitingFirst([...this.#going.keys()])) {
      const going = this.#going.get(key);
      if (going === undefined) continue;
      going.stopped = true;
      if (going.repeats) {
        this.#going.delete(key);
        going.stopTimer();
        if (going.breaker !== undefined) this.breakers.forget(going.breaker);
      }
      going.abort.abort(new DOMException('The host stops.', 'AbortError'));
      if (!going.repeats) going.giveUp?.();
    }
  }

  /** This host stops: no call leaves any more. */
  halt(): void {
    this.#stopped = true;
  }

  /** Waiting calls come first: a call that leaves a tool makes room there, and must not let in one that is about to be stopped too. */
  #waitingFirst(keys: readonly string[]): readonly string[] {
    const waits = (key: string) => this.#going.get(key)?.giveUp !== undefined;
    return [...keys.filter((key) => waits(key)), ...keys.filter((key) => !waits(key))];
  }

  /** Whether a call has left and not come back. */
  isUnderway(run: RunId, id: number): boolean {
    return this.#going.has(keyOf(run, id));
  }

  get size(): number {
    return this.#going.size;
  }

  /** An attempt waits its turn at its tool, for no longer than the call may take. One that did not get it was never made. */
  #enter(record: RunRecord, call: Dispatch, attempt: number, breaker: string | undefined, bill: Bill): void {
    const { id, tool, timeout_ms } = call;
    const key = keyOf(record.id, id);
    const began = this.#clock.monotonic();
    // Made where the call has to wait; most do not.
    let abort: AbortController | undefined;
    const repeats = mayRepeat(tool.annotations);
    const notMade = (code: 'CORRAL_TOOL_BUSY' | 'CORRAL_QUARANTINED', why: string) => {
      if (breaker !== undefined) this.breakers.forget(breaker);
      const cost = call.price === undefined ? {} : { cost: attempt === 1 ? { ...FREE, ...call.atLeast } : (bill.total ?? FREE) };
      this.#heldBack(record, call, { id, error: errorData(code, `${tool.name} ${why}`, { call: id }), ...cost });
    };
    const stopWaiting = this.#gates.enter(record.tenant, tool.name, (leave) => {
      const waited = abort === undefined ? undefined : this.#going.get(key);
      if (waited === undefined || waited.abort !== abort) return this.#attempt(record, call, attempt, breaker, bill, leave);
      this.#going.delete(key);
      waited.stopTimer();
      const held = this.#heldFor(record.tenant, tool.name);
      if (held !== undefined) {
        leave();
        return notMade(...held);
      }
      const left = timeout_ms === undefined ? {} : { timeout_ms: Math.max(1, timeout_ms - (this.#clock.monotonic() - began)) };
      return this.#attempt(record, { ...call, ...left }, attempt, breaker, bill, leave);
    });
    if (stopWaiting === undefined) return;
    abort = new AbortController();
    const most = tool.timeout_ms ?? MACHINE.call_timeout_ms.default;
    const giveUp = () => {
      if (this.#going.get(key)?.abort !== abort) return;
      this.#going.delete(key);
      stopTimer();
      notMade(
        ...(this.#heldFor(record.tenant, tool.name) ??
          (['CORRAL_TOOL_BUSY', 'is called as often as its limits allow, and the call did not get its turn.'] as const)),
      );
    };
    const stopClock = this.#clock.after(Math.min(timeout_ms ?? most, most), giveUp);
    const stopTimer = () => {
      stopClock();
      stopWaiting();
    };
    this.#going.set(key, { run: record.id, abort, stopTimer, giveUp, breaker, repeats });
  }

  #attempt(record: RunRecord, call: Dispatch, attempt: number, breaker: string | undefined, bill: Bill, leave: () => void): void {
    const key = keyOf(record.id, call.id);
    const abort = new AbortController();
    const most = call.tool.timeout_ms ?? MACHINE.call_timeout_ms.default;
    const timeout_ms = Math.min(call.timeout_ms ?? most, most);
    const began = this.#clock.monotonic();
    const most_attempts = attemptsOf(call.tool.annotations, call.attempts);
    const repeats = mayRepeat(call.tool.annotations);
    const settle = (said: ToolResult | TimedOut) => {
      const going = this.#going.get(key);
      // Somebody else settled it: a timeout, or the end of the run.
      if (going?.abort !== abort) return;
      const result = going.stopped === true ? cutOff(call.tool.name, said) : said;
      this.#going.delete(key);
      going.stopTimer();
      const now = this.#clock.monotonic();
      bill.attempted(result);
      const { told, well } = resultOf(call, record.ceilings.message_bytes, result);
      const answer = { ...told, ...costIn(bill) };
      // By its agent, or by whoever took its capability back; that it then took too long changes nothing about it.
      const givenUp = abort.signal.aborted && (abort.signal.reason as DOMException).name === 'AbortError';
      if (breaker !== undefined) {
        // Who gives a call up, or has less patience than the tool is allowed, has learnt nothing about it.
        if (givenUp || (abort.signal.aborted && timeout_ms < most)) this.breakers.forget(breaker);
        else this.breakers.settle(breaker, well, now - began, now, most * SLOW);
      }
      if (result.kind === 'unknown') {
        if (!repeats) return this.#events.onUnknown(record.id, call.id, bounded(result.message), result.detail);
      }
      const tell = () => this.#events.onResult(record.id, attempt === 1 ? answer : { ...answer, attempts: attempt }, !repeats);
      if (!givenUp && attempt < most_attempts && isWorthAnother(call, result)) this.#wait(record, call, attempt, breaker, bill, tell);
      else tell();
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
    this.#going.set(key, { run: record.id, abort, stopTimer, breaker, repeats });
    void call.tool
      .invoke({ input: call.input, idempotency_key: key, attempt, run: record.id, tenant: record.tenant, signal: abort.signal })
      // A tool never rejects; one that does has failed, and what it threw is for operators.
      .catch((error: unknown): ToolResult => ({ kind: 'failed', message: `${call.tool.name} failed.`, detail: detailOf(error) }))
      .then(settle);
  }

  /** Lets a while pass before the next attempt: twice as long each time, and never the same for two that failed together. */
  #wait(record: RunRecord, call: Dispatch, attempt: number, breaker: string | undefined, bill: Bill, tell: () => void): void {
    const key = keyOf(record.id, call.id);
    const most = Math.min(MACHINE.retry_base_ms.default * 2 ** (attempt - 1), MACHINE.retry_wait_ms.default);
    const abort = new AbortController();
    const jitter = (this.#random(1)[0] as number) / 255;
    const stopTimer = this.#clock.after(Math.round(most * (0.5 + jitter / 2)), () => {
      this.#going.delete(key);
      // A tool that has stopped answering meanwhile, or was put under quarantine, is not asked again.
      if (this.#heldFor(record.tenant, call.tool.name) !== undefined) tell();
      else if (breaker === undefined || this.breakers.admit(breaker, this.#clock.monotonic()))
        this.#enter(record, call, attempt + 1, breaker, bill);
      else tell();
    });
    const giveUp = () => {
      if (this.#going.get(key)?.abort !== abort) return;
      this.#going.delete(key);
      stopTimer();
      tell();
    };
    this.#going.set(key, { run: record.id, abort, stopTimer, giveUp, breaker: undefined, repeats: mayRepeat(call.tool.annotations) });
  }
}

/**
 * Whether trying again can help and does no harm: the tool says that it did nothing and might yet, or its word was lost or late
 * and doing it twice is doing it once.
 */
function isWorthAnother(call: Dispatch, result: ToolResult | TimedOut): boolean {
  if (result.kind === 'failed') return result.retryable === true;
  return result.kind !== 'ok' && mayRepeat(call.tool.annotations);
}

/** A tool that fails because this host has aborted it does not know what it had done by then, unless it says that it did nothing. */
function cutOff(tool: string, result: ToolResult | TimedOut): ToolResult | TimedOut {
  if (result.kind !== 'failed' || result.retryable === true) return result;
  return { kind: 'unknown', message: `This host stopped while ${tool} was at work: ${result.message}` };
}

/** Our own verdict, besides those a tool can give. */
interface TimedOut {
  readonly kind: 'timed_out';
  readonly message: string;
}

/** Share of the time a tool may take from which on an answer counts as slow. */
const SLOW = 0.8;

function costIn({ total }: Bill): { readonly cost?: Cost } {
  return total === undefined ? {} : { cost: total };
}

const keyOf = (run: RunId, id: number) => `${run}:${id}`;

/**
 * What a tool gave back, as the agent will see it: valid by the tool's own schema and within bounds, or an error. `well`: whether the
 * tool works, whatever it answers; an answer that JSON cannot hold counts as working, since an agent's arguments may have caused it.
 */
function resultOf(call: Dispatch, most: number, result: ToolResult | TimedOut): { readonly told: Result; readonly well: boolean } {
  const { id, tool } = call;
  if (result.kind !== 'ok') {
    const code = result.kind === 'failed' ? (result.code ?? 'CORRAL_TOOL_FAILED') : CODES[result.kind];
    const told = {
      id,
      error: errorData(code, bounded(result.message), { call: id }),
      ...(call.unread === true ? { unread: true as const } : {}),
      ...('detail' in result && result.detail !== undefined ? { detail: result.detail } : {}),
    };
    return { told, well: result.kind === 'failed' };
  }
  const invalid = (message: string, well: boolean, detail?: string) => {
    const error = errorData('CORRAL_RESULT_INVALID', `${tool.name} ${message}`, { call: id });
    return { told: { id, error, ...(detail === undefined ? {} : { detail }) }, well };
  };
  const checked = tool.output.check(result.value);
  if (!checked.ok) return invalid('broke its own output schema.', false, checked.detail ?? `${checked.where}: ${checked.message}`);
  const copied = copyOf(checked.value);
  if ('refused' in copied) return invalid('returned what is no JSON.', true, copied.refused);
  const { value, bytes } = copied;
  if (bytes > most) {
    const message = `${tool.name} returned ${bytes} bytes; at most ${most} may come back at once.`;
    return { told: { id, error: errorData('CORRAL_RESULT_TOO_LARGE', message, { call: id }) }, well: true };
  }
  if (isDeeperThan(value, JSON_MAX_DEPTH)) return invalid(`returned more than ${JSON_MAX_DEPTH} levels.`, true);
  return { told: { id, value, ...(call.as_handle === true ? { handle: viewOf(value) } : {}) }, well: true };
}

const CODES = { timed_out: 'CORRAL_TIMED_OUT', unknown: 'CORRAL_TOOL_FAILED' } as const;

/**
 * A value as the JSON that it is now: what its tool does with it later changes nothing. Writing it may run code of the tool
 * (getters, `toJSON`, proxies), which may throw.
 */
function copyOf(value: unknown): { readonly value: Json; readonly bytes: number } | { readonly refused: string } {
  try {
    const text = JSON.stringify(value ?? null) as string | undefined;
    if (text === undefined) return { refused: `It is a ${typeof value}.` };
    const isFlat = typeof value !== 'object' || value === null;
    return {
      value: isFlat && typeof value !== 'number' ? ((value ?? null) as Json) : (JSON.parse(text) as Json),
      bytes: Buffer.byteLength(text),
    };
  } catch (error) {
    return { refused: detailOf(error) };
  }
}
