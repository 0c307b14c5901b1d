/**
 * Parts of a stream that are held back until policies and inspectors have looked at them. They are shown the stream from its beginning each
 * time, so that their findings are those about a whole answer that ends there. After that its last characters stay here: a value that has only
 * begun there is found with the parts that follow, before any of it is delivered. Where somebody needs the whole answer, all of it stays here
 * until its end.
 */
import { StreamTexts } from '@corral/policy/flow/streamed';
import type { Json } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import type { AnswerInspection } from '@corral/protocol/model/inspection';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Result } from '@corral/protocol/wire/delivery';
import { inspectedOf } from './answer-inspection.ts';

/** A part that was handed over. */
export interface Part {
  readonly value: Json;
  readonly bytes: number;
  /** When it was handed over, or let go of here. On the monotonic clock. */
  readonly at: number;
}

/** Has an answer looked at; `then` gets it as its agent may have it, and is not called if nobody waits for it any more. */
export type Look = (answer: Result, then: (told: Result) => void) => void;

export interface WindowOptions {
  readonly clock: Clock;
  /** Number of the call. */
  readonly id: number;
  /** Characters at the end that stay here after they were looked at; infinite: all of them, until the end. */
  readonly tail_chars: number;
  readonly look: Look;
  /** Parts that passed. @param inspected what was said of the stream up to here */
  readonly release: (parts: readonly Part[], inspected: AnswerInspection | undefined) => void;
  /** The stream is withheld from here on. */
  readonly deny: (told: Extract<Result, { error: unknown }>) => void;
  /** There is room again. */
  readonly onRoom: () => void;
}

interface Held extends Part {
  /** Characters of the stream up to the end of this part. */
  readonly chars: number;
}

/** Memory of a part besides its JSON. Bytes. */
const PART_BYTES = 64;
/** The stream grows by a quarter before it is looked at as a whole again, so that the time it takes is linear in its length. */
const GROWTH = 4;

/** Inspectors look at each name, as in a whole answer. */
const textsOfAll = () => new StreamTexts({}, () => true);

export class Window {
  readonly #options: WindowOptions;
  #texts = textsOfAll();
  #held: Held[] = [];
  #held_bytes = 0;
  #chars = 0;
  /** Bytes of the parts that were looked at, of those that have come since, and when the first of these came. */
  #looked_bytes = 0;
  #new_bytes = 0;
  #since: number | undefined;
  /** The look under way. Findings about an earlier attempt count for nothing. */
  #asked: object | undefined;
  #end: { readonly result: Result; readonly done: (inspected: AnswerInspection | undefined) => void } | undefined;
  #closed = false;
  #stopTimer: (() => void) | undefined;

  constructor(options: WindowOptions) {
    this.#options = options;
  }

  /** Approximate bytes in memory. */
  get bytes(): number {
    return this.#held_bytes + this.#chars;
  }

  /** Bytes that are held back, as limits.ts counts them. */
  get held_bytes(): number {
    return this.#held_bytes;
  }

  /** Whether parts wait here, or the end does. */
  get isBusy(): boolean {
    return this.#held.length > 0 || this.#end !== undefined;
  }

  /** Whether the tool may go on. It waits while what has come is more than is looked at next. */
  get hasRoom(): boolean {
    return this.#asked === undefined || this.#isWhole || this.#new_bytes < 2 * this.#due_bytes;
  }

  add({ value, bytes, at }: Part): void {
    if (this.#closed) return;
    // A part without a text counts as one character, or nothing would ever follow the last text.
    this.#chars += Math.max(1, this.#texts.add(value));
    this.#held.push({ value, bytes, at, chars: this.#chars });
    this.#held_bytes += bytes + PART_BYTES;
    this.#new_bytes += bytes;
    this.#since ??= at;
    this.#consider();
  }

  /** The tool has ended. @param done called once everything was looked at and let go of, or withheld */
  end(result: Result, done: (inspected: AnswerInspection | undefined) => void): void {
    if (this.#closed) return done(undefined);
    this.#end = { result, done };
    this.#consider();
  }

  /** Another attempt is made: nothing of this one has been delivered. */
  again(): void {
    this.#clear();
    this.#texts = textsOfAll();
    [this.#chars, this.#looked_bytes, this.#new_bytes, this.#since] = [0, 0, 0, undefined];
    this.#asked = undefined;
  }

  /** Nothing of what is held back will be delivered. */
  close(): void {
    this.#closed = true;
    this.#clear();
    const end = this.#end;
    this.#end = undefined;
    end?.done(undefined);
  }

  get #isWhole(): boolean {
    return this.#options.tail_chars === Number.POSITIVE_INFINITY;
  }

  get #due_bytes(): number {
    return Math.max(MACHINE.window_bytes.default, this.#looked_bytes / GROWTH);
  }

  /** Has the stream looked at, if it is time. */
  #consider(): void {
    if (this.#closed || this.#asked !== undefined) return;
    if (this.#end !== undefined || (!this.#isWhole && this.#new_bytes >= this.#due_bytes)) return this.#look();
    if (this.#isWhole || this.#since === undefined) return;
    const { clock } = this.#options;
    const wait_ms = MACHINE.window_wait_ms.default * (this.#due_bytes / MACHINE.window_bytes.default);
    const left_ms = this.#since + wait_ms - clock.monotonic();
    if (left_ms <= 0) return this.#look();
    this.#stopTimer ??= clock.after(left_ms, () => {
      this.#stopTimer = undefined;
      this.#consider();
    });
  }

  #look(): void {
    this.#stopClock();
    const end = this.#end;
    const last = end && inspectedOf(end.result);
    // Parts that come from here on are beyond it.
    const most = end === undefined ? this.#chars - this.#options.tail_chars : Number.POSITIVE_INFINITY;
    this.#looked_bytes += this.#new_bytes;
    this.#new_bytes = 0;
    this.#since = undefined;
    const asked = {};
    this.#asked = asked;
    const { id, look } = this.#options;
    const { text, rest } = this.#texts.value;
    look({ id, value: { text, rest, ...(last === undefined ? {} : { end: last }) } }, (told) => {
      if (this.#asked !== asked || this.#closed) return;
      this.#asked = undefined;
      this.#said(told, most, end !== undefined);
    });
  }

  /** @param most characters of the stream that may be let go of @param isLast the end was looked at as well */
  #said(told: Result, most: number, isLast: boolean): void {
    const { inspected } = told;
    if ('error' in told) {
      this.#options.deny(told);
      return this.close();
    }
    const stays = this.#held.findIndex(({ chars }) => chars > most);
    const parts = this.#held.splice(0, stays < 0 ? this.#held.length : stays);
    for (const { bytes } of parts) this.#held_bytes -= bytes + PART_BYTES;
    const at = this.#options.clock.monotonic();
    const passed = parts.map((part) => ({ ...part, at }));
    const end = isLast ? this.#end : undefined;
    if (end !== undefined) {
      this.#closed = true;
      this.#end = undefined;
    }
    // Findings about the whole go with the end.
    this.#options.release(passed, end === undefined ? inspected : undefined);
    if (end !== undefined) return end.done(inspected);
    this.#consider();
    this.#options.onRoom();
  }

  #clear(): void {
    this.#stopClock();
    this.#held = [];
    this.#held_bytes = 0;
  }

  #stopClock(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
  }
}
