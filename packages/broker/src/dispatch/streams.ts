/**
 * Streams on the host: parts that tools have handed over and that their runs have not been given yet. Parts are given in chunks, each only
 * after the run has asked for it (`pull`), so a bounded amount waits here, and a tool that is ahead of its run waits too. The end of a stream is told after
 * the chunk before it is durable: a commit that is refused takes the run back to its journal, and an end that was told already would come
 * without the parts before it.
 */
import { errorData, type ErrorData } from '@corral/protocol/errors';
import type { RunId, TenantId } from '@corral/protocol/ids';
import { isDeeperThan, JSON_MAX_DEPTH, type Json } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import { bounded } from '@corral/protocol/model/outcome';
import type { Clock } from '@corral/protocol/ports/machine';
import type { ToolResult } from '@corral/protocol/ports/tool';
import type { PendingDelivery, Result } from '@corral/protocol/wire/delivery';
import type { Dispatch } from '../effects/batch.ts';
import type { KeptRun } from '../memory.ts';
import { copyOf, isWorthAnother, type TimedOut } from './results.ts';

/** A chunk before it is delivered. */
export type Chunk = Extract<PendingDelivery, { kind: 'chunk' }>;

/** Why a stream was ended by this host. */
export interface StreamRefusal {
  readonly error: ErrorData;
  /** For operators. */
  readonly detail?: string;
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
}

interface Waiting {
  readonly value: Json;
  readonly bytes: number;
  /** When it was handed over, on the monotonic clock. */
  readonly at: number;
}

interface Tool {
  readonly go: () => void;
  readonly stop: (why: unknown) => void;
}

/** The error for a tool that hands over a part after the end. */
const ENDED = new DOMException('The stream has ended.', 'AbortError');

export class HostStream {
  readonly #options: StreamOptions;
  #waiting: Waiting[] = [];
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
  #end: (() => void) | undefined;
  #dropped = false;
  #refusal: StreamRefusal | undefined;
  #refused: (() => void) | undefined;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#asked = options.call.stream?.asked === true;
  }

  get tenant(): TenantId {
    return this.#options.tenant;
  }

  /** Approximate bytes in memory. */
  get bytes(): number {
    return this.#bytes * 2;
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
    return this.#underway || this.#waiting.length > 0;
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
      if (attempt !== this.#attempt || this.#end !== undefined || this.#dropped || this.#refusal !== undefined) throw ENDED;
      this.#take(part);
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

  /** The tool has ended: `tell` is called once the run has been given all parts, or at once if nobody waits for them. */
  end(tell: () => void): void {
    this.#stopTools(ENDED);
    if (this.#dropped) return tell();
    this.#end = tell;
    this.#look();
  }

  /** Ends the stream for a reason of this host. @param all whether the parts that wait are dropped too */
  refuse(refusal: StreamRefusal, all = false): void {
    this.#refusal ??= refusal;
    if (all) {
      this.#clear(undefined);
      this.#underway = false;
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
    this.#total = 0;
  }

  /** Nobody waits for the parts any more. */
  drop(why: unknown): void {
    this.#dropped = true;
    this.#clear(why);
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
    this.#bytes += bytes;
    this.#waiting.push({ value, bytes, at: clock.monotonic() });
    this.#look();
  }

  #hasRoom(): boolean {
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
    this.#options.onChunk({ kind: 'chunk', id: this.#options.call.id, offset, parts });
    if (this.#hasRoom()) for (const { go } of this.#tools.splice(0)) go();
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
    return this.#all.get(keyOf(run, id));
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
export function endOf(call: Dispatch, { refusal, parts }: HostStream, told: Result, result: ToolResult | TimedOut): Result {
  const { id, cost, attempts } = told;
  if (refusal !== undefined)
    return { id, ...refusal, ...(cost === undefined ? {} : { cost }), ...(attempts === undefined ? {} : { attempts }) };
  if (!('error' in told) || parts === 0 || !isWorthAnother(call, result)) return told;
  const message = `The answer of ${call.tool.name} broke off after ${parts} parts: ${told.error.message}`;
  return { ...told, error: errorData('CORRAL_STREAM_LOST', bounded(message), { call: id }) };
}
