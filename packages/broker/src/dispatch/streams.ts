/**
 * Streams on the host: parts that tools have handed over and that their runs have not been given yet. Parts are given in chunks, each only
 * after the run has asked for it (`pull`), so a bounded amount waits here, and a tool that is ahead of its run waits too. The end of a stream is told after
 * the chunk before it is durable: a commit that is refused takes the run back to its journal, and an end that was told already would come
 * without the parts before it. Where somebody looks at the answer, parts come here once they have passed (window.ts).
 */
import { errorData, type ErrorData } from '@corral/protocol/errors';
import type { RunId, TenantId } from '@corral/protocol/ids';
import { isDeeperThan, JSON_MAX_DEPTH, type Json } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import type { AnswerInspection } from '@corral/protocol/model/inspection';
import { sumOf } from '@corral/protocol/model/cost';
import { bounded } from '@corral/protocol/model/outcome';
import type { Clock } from '@corral/protocol/ports/machine';
import type { ToolResult } from '@corral/protocol/ports/tool';
import type { PendingDelivery, Result } from '@corral/protocol/wire/delivery';
import type { Dispatch } from '../effects/batch.ts';
import type { KeptRun } from '../memory.ts';
import { copyOf, isWorthAnother, type TimedOut } from './results.ts';
import { Window, type Look, type Part } from './window.ts';

/** A chunk before it is delivered. */
export type Chunk = Extract<PendingDelivery, { kind: 'chunk' }>;

/** Why a stream was ended by this host. */
export interface StreamRefusal {
  readonly error: ErrorData;
  /** For operators. */
  readonly detail?: string;
  /** Why it is withheld. */
  readonly inspected?: AnswerInspection | undefined;
  /** The error does not say that the tool had answered. */
  readonly may_have_acted?: true;
}

export interface StreamOptions {
  readonly clock: Clock;
  readonly tenant: TenantId;
  readonly run: RunId;
  readonly call: Dispatch;
  /** The largest part. Bytes. */
  readonly most: number;
  /** Why nothing more may be kept in memory for the run. */
  readonly lacks: () => string | undefined;
  readonly onChunk: (chunk: Chunk) => void;
  readonly look: Look;
}

interface Tool {
  readonly go: () => void;
  readonly stop: (why: unknown) => void;
}

/** The error for a tool that hands over a part after the end. */
const ENDED = new DOMException('The stream has ended.', 'AbortError');

export class HostStream {
  readonly #options: StreamOptions;
  #waiting: Part[] = [];
  /** Parts that are held back; undefined if nobody looks at the answer. */
  readonly #window: Window | undefined;
  /** Findings about parts that passed, which are in no delivery yet. */
  #inspected: AnswerInspection | undefined;
  /** Findings about the answer with its end. */
  #last: AnswerInspection | undefined;
  #bytes = 0;
  /** Bytes of all parts that were handed over. */
  #total = 0;
  /** Parts that the run was given, or is being given. */
  #given = 0;
  /** The run waits for a chunk. */
  #asked: boolean;
  /** A chunk was given whose crank is not durable. */
  #underway = false;
  #stopTimer: (() => void) | undefined;
  /** Calls of `part` that wait for room. */
  #tools: Tool[] = [];
  /** Counts the attempts: what an earlier one hands over is refused. */
  #attempt = 0;
  /** The tool has ended. */
  #isOver = false;
  #end: (() => void) | undefined;
  #dropped = false;
  #refusal: StreamRefusal | undefined;
  #refused: (() => void) | undefined;

  constructor(options: StreamOptions) {
    this.#options = options;
    const { asked = false, tail_chars } = options.call.stream ?? {};
    this.#asked = asked;
    this.#window = tail_chars === undefined ? undefined : this.#windowOf(tail_chars);
  }

  #windowOf(tail_chars: number): Window {
    const { clock, call, look } = this.#options;
    return new Window({
      clock,
      id: call.id,
      tail_chars,
      look,
      release: (parts, inspected) => {
        for (const part of parts) this.#bytes += part.bytes;
        this.#waiting.push(...parts);
        this.#inspected = costing(this.#inspected, inspected);
        this.#look();
      },
      deny: ({ error, inspected }) => {
        const said = costing(this.#inspected, inspected);
        this.#inspected = undefined;
        this.refuse({ error, inspected: said });
      },
      onRoom: () => this.#letGo(),
    });
  }

  get tenant(): TenantId {
    return this.#options.tenant;
  }

  /** Approximate bytes in memory. */
  get bytes(): number {
    return (this.#bytes + (this.#window?.bytes ?? 0)) * 2;
  }

  /** Why this host has ended the stream, if it has. */
  get refusal(): StreamRefusal | undefined {
    return this.#refusal;
  }

  /** Parts that the run was given, or will be. */
  get parts(): number {
    return this.#given + this.#waiting.length;
  }

  /** Whether the run was given parts: then the call may not be made again. */
  get hasBegun(): boolean {
    return this.#given > 0;
  }

  /** Whether the present attempt has handed over anything, and so may have cost something. */
  get hasParts(): boolean {
    return this.#total > 0;
  }

  /** Whether parts were handed over that may not be in the journal. */
  get isBehind(): boolean {
    return this.#underway || this.#waiting.length > 0 || this.#window?.isBusy === true;
  }

  /** Findings about the whole answer; undefined if nobody looked at it with its end. */
  get inspected(): AnswerInspection | undefined {
    return this.#last && costing(this.#inspected, this.#last);
  }

  /**
   * Begins an attempt.
   * @param refused called when a part was refused: the tool is to be stopped
   * @returns the function by which the tool hands over parts
   */
  begin(signal: AbortSignal, refused: () => void): (part: Json) => Promise<void> {
    this.#refused = refused;
    const attempt = this.#attempt;
    signal.addEventListener('abort', () => attempt === this.#attempt && this.#stopTools(signal.reason), { once: true });
    return async (part) => {
      if (signal.aborted) throw signal.reason;
      if (attempt !== this.#attempt || this.#isOver || this.#dropped || this.#refusal !== undefined) throw ENDED;
      this.#take(part);
      if (signal.aborted) throw signal.reason;
      if (this.#hasRoom()) return;
      await new Promise<void>((go, stop) => {
        this.#tools.push({ go, stop });
      });
    };
  }

  /** The run asks for the next chunk. */
  pull(): void {
    this.#asked = true;
    this.#look();
  }

  /** The crank with the last chunk is durable. */
  kept(): void {
    this.#underway = false;
    this.#look();
  }

  /**
   * The tool has ended: `tell` is called once the run has been given all parts, or at once if nobody waits for them.
   * @param result the end as its agent gets it, which is looked at with the parts
   */
  end(result: Result, tell: () => void): void {
    this.#isOver = true;
    this.#stopTools(ENDED);
    if (this.#dropped) return tell();
    const looked = (inspected?: AnswerInspection) => {
      this.#last = inspected;
      this.#end = tell;
      this.#look();
    };
    if (this.#window === undefined) looked();
    else this.#window.end(result, looked);
  }

  /**
   * The result of the attempt is unknown, and people may have the call made again: what waits here is dropped. `tell` is called once the run
   * reads no chunk of this attempt any more, at once if it reads none.
   */
  lose(tell: () => void): void {
    this.#isOver = true;
    // The run gets nothing of it any more.
    if (this.#dropped) return tell();
    this.#clear(ENDED);
    this.#window?.close();
    this.#end = tell;
    this.#look();
  }

  /** The last chunk was taken back before the run has begun to read it. */
  takenBack(): void {
    this.#underway = false;
    this.#look();
  }

  /** Ends the stream for a reason of this host. @param all whether the parts that wait are dropped too */
  refuse(refusal: StreamRefusal, all = false): void {
    this.#refusal ??= refusal;
    if (all) {
      this.#clear(undefined);
      this.#underway = false;
      this.#window?.close();
    }
    const reason = new DOMException(this.#refusal.error.message, 'AbortError');
    this.#stopTools(reason);
    this.#refused?.();
    if (!this.#dropped) this.#look();
  }

  /** Another attempt will be made: what waits of this one is dropped, since nobody has seen it. */
  again(): void {
    this.#attempt += 1;
    this.#clear(new DOMException('Another attempt is made.', 'AbortError'));
    this.#window?.again();
    this.#inspected = undefined;
    this.#total = 0;
  }

  /** Nobody waits for the parts any more. */
  drop(why: unknown): void {
    this.#dropped = true;
    this.#clear(why);
    this.#window?.close();
  }

  /** @throws the reason, for a part that is refused */
  #take(part: Json): void {
    const { call, clock, most } = this.#options;
    const { name } = call.tool;
    const refuse = (code: 'CORRAL_RESULT_INVALID' | 'CORRAL_RESULT_TOO_LARGE', message: string, detail?: string) => {
      const error = errorData(code, `${name} ${message}`, { call: call.id });
      this.refuse({ error, ...(detail === undefined ? {} : { detail }) });
      return new DOMException(error.message, 'AbortError');
    };
    const checked = call.tool.part?.check(part) ?? { ok: true, value: part };
    if (!checked.ok)
      throw refuse(
        'CORRAL_RESULT_INVALID',
        'handed over a part that breaks its own schema.',
        checked.detail ?? `${checked.where}: ${checked.message}`,
      );
    const copied = copyOf(checked.value);
    if ('refused' in copied) throw refuse('CORRAL_RESULT_INVALID', 'handed over a part that is not JSON.', copied.refused);
    const { value, bytes } = copied;
    if (isDeeperThan(value, JSON_MAX_DEPTH))
      throw refuse('CORRAL_RESULT_INVALID', `handed over a part with more than ${JSON_MAX_DEPTH} levels.`);
    if (bytes > most)
      throw refuse('CORRAL_RESULT_TOO_LARGE', `handed over a part of ${bytes} bytes; at most ${most} may come back at once.`);
    const total = MACHINE.stream_total_bytes.default;
    if (this.#total + bytes > total)
      throw refuse('CORRAL_RESULT_TOO_LARGE', `handed over more than ${total} bytes, which is what one stream may have.`);
    if (this.#bytes >= 2 * MACHINE.stream_bytes.default || this.#waiting.length >= 2 * MACHINE.stream_parts.default)
      throw refuse('CORRAL_RESULT_TOO_LARGE', 'hands over parts without waiting until there is room for them.');
    this.#total += bytes;
    const one = { value, bytes, at: clock.monotonic() };
    if (this.#window !== undefined) return this.#holdBack(this.#window, one);
    this.#bytes += bytes;
    this.#waiting.push(one);
    this.#look();
  }

  /** A part that is held back is not given before others have come, so the tool cannot wait until it is. */
  #holdBack(window: Window, part: Part): void {
    const { call, lacks } = this.#options;
    const { name } = call.tool;
    const most = MACHINE.held_back_bytes.default;
    const lacking = window.held_bytes < MACHINE.stream_bytes.default ? undefined : lacks();
    const isTooLarge = window.held_bytes + part.bytes > most;
    if (!isTooLarge && lacking === undefined) return window.add(part);
    const error = isTooLarge
      ? errorData('CORRAL_RESULT_TOO_LARGE', `${name} handed over more than ${most} bytes that had to be held back.`, { call: call.id })
      : errorData('CORRAL_HOST_MEMORY', `What ${name} answers cannot be held back any longer. ${lacking}`, { call: call.id });
    window.close();
    this.refuse(isTooLarge ? { error } : { error, may_have_acted: true });
    throw new DOMException(error.message, 'AbortError');
  }

  #letGo(): void {
    if (this.#hasRoom()) for (const { go } of this.#tools.splice(0)) go();
  }

  #hasRoom(): boolean {
    if (this.#window?.hasRoom === false) return false;
    if (this.#waiting.length === 0) return true;
    if (this.#bytes >= MACHINE.stream_bytes.default || this.#waiting.length >= MACHINE.stream_parts.default) return false;
    return this.#options.lacks() === undefined;
  }

  /** Gives a chunk, or tells the end, if it is time. */
  #look(): void {
    const [first] = this.#waiting;
    if (first === undefined) {
      const end = this.#end;
      if (end === undefined || this.#underway) return;
      this.#end = undefined;
      this.#dropped = true;
      this.#window?.close();
      return end();
    }
    if (!this.#asked || this.#underway) return;
    const isFull = this.#waiting.length >= MACHINE.chunk_parts.default || this.#bytes >= MACHINE.chunk_bytes.default;
    if (isFull || this.#end !== undefined) return this.#give();
    const { clock } = this.#options;
    const left_ms = first.at + MACHINE.chunk_wait_ms.default - clock.monotonic();
    if (left_ms <= 0) return this.#give();
    this.#stopTimer ??= clock.after(left_ms, () => {
      this.#stopTimer = undefined;
      this.#look();
    });
  }

  #give(): void {
    this.#stopClock();
    let [count, bytes] = [0, 0];
    for (const one of this.#waiting) {
      if (count >= MACHINE.chunk_parts.default || bytes >= MACHINE.chunk_bytes.default) break;
      count += 1;
      bytes += one.bytes;
    }
    const parts = this.#waiting.splice(0, count).map(({ value }) => value);
    this.#bytes -= bytes;
    const offset = this.#given;
    this.#given += count;
    this.#asked = false;
    this.#underway = true;
    const inspected = this.#inspected;
    this.#inspected = undefined;
    const { call, onChunk } = this.#options;
    onChunk({ kind: 'chunk', id: call.id, offset, parts, ...(inspected === undefined ? {} : { inspected }) });
    this.#letGo();
  }

  #clear(why: unknown): void {
    this.#stopClock();
    this.#waiting = [];
    this.#bytes = 0;
    this.#stopTools(why);
  }

  #stopTools(why: unknown): void {
    for (const { stop } of this.#tools.splice(0)) stop(why);
  }

  #stopClock(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
  }
}

export const keyOf = (run: RunId, id: number) => `${run}:${id}`;

/** The streams of a host, by run and call. */
export class Streams {
  readonly #all = new Map<string, HostStream>();

  /** Undefined for a call whose answer comes as a whole. */
  get(run: RunId, id: number): HostStream | undefined {
    // Most hosts have none most of the time, and every call asks.
    return this.#all.size === 0 ? undefined : this.#all.get(keyOf(run, id));
  }

  open(options: StreamOptions): void {
    this.#all.set(keyOf(options.run, options.call.id), new HostStream(options));
  }

  /** The stream is over, or its run is not in memory any more. */
  close(run: RunId, id: number): void {
    if (this.#all.size === 0) return;
    const key = keyOf(run, id);
    this.#all.get(key)?.drop(ENDED);
    this.#all.delete(key);
  }

  /** Bytes of parts that wait, by tenant. */
  *waiting(): Iterable<KeptRun> {
    for (const stream of this.#all.values()) if (stream.bytes > 0) yield { tenant: stream.tenant, memory: stream.bytes };
  }
}

/**
 * The result by which an attempt is billed. A tool that hands over parts and then fails has not done nothing, so it costs what was reserved, unless the
 * tool says what it cost.
 */
export function billedBy(result: ToolResult | TimedOut, stream: HostStream | undefined): ToolResult | TimedOut {
  return result.kind === 'failed' && stream?.hasParts === true ? { ...result, retryable: false } : result;
}

/**
 * The end of a stream as its agent is told. An answer that breaks off after parts of it were delivered is not asked for again, and the agent
 * is told that it broke off.
 */
export function endOf(call: Dispatch, { refusal, parts, inspected }: HostStream, told: Result, result: ToolResult | TimedOut): Result {
  const { id, cost, attempts } = told;
  const looked = inspected === undefined ? {} : { inspected };
  if (refusal !== undefined) {
    const { inspected: _, ...why } = refusal;
    const said = refusal.inspected === undefined ? looked : { inspected: refusal.inspected };
    return { id, ...why, ...(cost === undefined ? {} : { cost }), ...(attempts === undefined ? {} : { attempts }), ...said };
  }
  if (!('error' in told) || parts === 0 || !isWorthAnother(call, result)) return { ...told, ...looked };
  const message = `The answer of ${call.tool.name} broke off after ${parts} parts: ${told.error.message}`;
  return { ...told, error: errorData('CORRAL_STREAM_LOST', bounded(message), { call: id }), ...looked };
}

/** The last findings, with the cost of asking before. */
function costing(before: AnswerInspection | undefined, after: AnswerInspection | undefined): AnswerInspection | undefined {
  if (after === undefined || before?.cost === undefined) return after ?? before;
  return { ...after, cost: sumOf(before.cost, after.cost ?? {}) };
}
