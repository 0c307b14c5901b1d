/**
 * Facts about runs, and the writer that puts them into the ring. It is called on the loop that everything else of a host waits for, so a fact is
 * a few numbers: a run's id fits into two of them, and any other text is sent once and named by its number from then on.
 */
import type { RunId } from '@corral/protocol/ids';
import { TELEMETRY } from '@corral/protocol/limits-telemetry';
import type { Caller } from './caller.ts';
import { RingWriter, SLOT_BYTES, WORDS } from './ring.ts';
import { LEAVES, VOCABULARY } from './vocabulary.ts';

/** Kinds of records. Their numbers are never in a file, so they may change. */
export const KIND = {
  text: 1,
  run: 2,
  began: 3,
  parked: 4,
  ended: 5,
  crank: 6,
  call: 7,
  message: 8,
  asked: 9,
  decided: 10,
  denied: 11,
  act: 12,
  step: 13,
  caller: 14,
  firstChunk: 15,
  content: 16,
  log: 17,
} as const;
export type Kind = (typeof KIND)[keyof typeof KIND];

/** Positions of words in a slot. `peer`, `other`: further runs. `a` to `d`: numbers of texts. */
export const WORD = { kind: 0, run: 1, peer: 3, other: 5, number: 7, a: 8, b: 9, c: 10, d: 11 } as const;

/** A run, as far as telemetry needs to know it. */
export interface RunFact {
  readonly run: RunId;
  readonly root: RunId;
  readonly parent: RunId | undefined;
  readonly tenant: string;
  readonly agent: string;
  readonly version: string;
  readonly created_at: number;
  /** The epoch of its lease. */
  readonly epoch: number;
  /** For a run that was in the store before: when it came back into memory. Undefined: it was just admitted. */
  readonly woken_at?: number | undefined;
  /** For a fork: the run that it began as. */
  readonly origin?: RunId | undefined;
}

export interface CallFact {
  readonly run: RunId;
  readonly call: number;
  readonly tool: string;
  /** Code of the error; undefined if it succeeded. */
  readonly code: string | undefined;
  readonly at: number;
  /** Undefined: no host has measured it, such as for a reply of another run. */
  readonly took_ms: number | undefined;
  readonly attempts: number;
  /** For a model: its provider, and its name there. */
  readonly provider: string | undefined;
  readonly model: string | undefined;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly money_micros: number;
  /** For a request to another run: who was asked, if it is known. */
  readonly peer: RunId | undefined;
}

export interface EndFact {
  readonly run: RunId;
  readonly at: number;
  readonly outcome: string;
  /** Code or limit, for an end that is not good. */
  readonly why: string | undefined;
  readonly cpu_ms: number;
  readonly calls: number;
  readonly money_micros: number;
}

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const VALUES = new Uint8Array(128);
for (let i = 0; i < ALPHABET.length; i++) VALUES[ALPHABET.charCodeAt(i)] = i;
const [PREFIX, HALF] = ['run_', 6];

/** Six symbols of a run's id from this position on, as a number of 30 bits. */
function packed(run: string, from: number): number {
  let value = 0;
  for (let i = from; i < from + HALF; i++) value = (value << 5) | (VALUES[run.charCodeAt(i)] as number);
  return value;
}

/** The id of a run from its two numbers; undefined if there is none. */
export function runIn(words: ArrayLike<number>, at: number): RunId | undefined {
  const [high = 0, low = 0] = [words[at], words[at + 1]];
  // Bit 30 marks that there is a run.
  if ((high & PRESENT) === 0) return undefined;
  let text = '';
  for (const half of [low, high & ~PRESENT])
    for (let i = 0, rest = half; i < HALF; i++, rest >>>= 5) text = `${ALPHABET[rest & 31]}${text}`;
  return `${PREFIX}${text}` as RunId;
}
const PRESENT = 1 << 30;

/** In the place of a time that nobody has measured. */
export const NOT_MEASURED = -1;

/** Texts are cut here: names and codes are shorter. */
export const TEXT_BYTES = 256;

/** Texts of calls and of the log are cut here. */
const LONG_BYTES = Math.max(TELEMETRY.content_bytes.default, TELEMETRY.log_bytes.default);

/** Hexadecimal digits of a version that are sent: 48 bits, which a number holds exactly. */
const VERSION_CHARS = 12;
const DIGEST = 'sha256:';

/** The beginning of a version as a number, so that a new version of an agent takes no number of a name. 0 for a text that is none. */
const versionNumber = (version: string): number =>
  version.startsWith(DIGEST) ? Number.parseInt(version.slice(DIGEST.length, DIGEST.length + VERSION_CHARS), 16) || 0 : 0;

/** The beginning of the version that such a number stands for. */
export const versionIn = (number: number): string => (number === 0 ? '' : `${DIGEST}${number.toString(16).padStart(VERSION_CHARS, '0')}`);

export class FactWriter {
  readonly #ring: RingWriter;
  readonly #texts = new Map<string, number>(VOCABULARY.map((word, i) => [word, i]));
  /** Names that others gave, by their numbers after those of the vocabulary. */
  readonly #names: (string | undefined)[];
  #nextName = 0;
  readonly #encoder = new TextEncoder();
  readonly #scratch = new Uint8Array(TEXT_BYTES);
  /** Made for the first long text: most hosts send none. */
  #longest: Uint8Array | undefined;
  /** A text of the present fact could not be sent. */
  #lacking = false;
  /** Slots that the present fact leaves to those on which others depend. */
  #left = 0;

  /** @param memory see `ringMemory`; its other end is read by worker.ts @param names that are known by number at a time */
  constructor(memory: SharedArrayBuffer, names: number = TELEMETRY.texts.default) {
    this.#ring = new RingWriter(memory);
    this.#names = Array.from<string | undefined>({ length: names });
  }

  /** Facts that were dropped because the ring was full. */
  get dropped(): number {
    return this.#ring.dropped;
  }

  /** The thread that read the ring is gone: what waited is lost, and the next one knows no name yet. */
  restart(): void {
    this.#ring.clear();
    for (const name of this.#names) if (name !== undefined) this.#texts.delete(name);
    this.#names.fill(undefined);
    this.#nextName = 0;
  }

  /** @returns false if it was dropped; then the other facts about the run mean nothing to the thread until this one is written */
  run({ run, root, parent, tenant, agent, version, created_at, epoch, woken_at, origin }: RunFact): boolean {
    const at = this.#begin(KIND.run, run, this.#vital(tenant, agent));
    if (at < 0) return false;
    this.#id(at + WORD.peer, root);
    this.#id(at + WORD.other, parent);
    this.#ring.words[at + WORD.number] = epoch;
    const [high, low] = origin === undefined ? [0, 0] : [packed(origin, PREFIX.length) | PRESENT, packed(origin, PREFIX.length + HALF)];
    this.#numbers(at, created_at, woken_at ?? -1, high, low, versionNumber(version));
    return true;
  }

  /** The span of whoever submitted a run. It goes ahead of the run's own fact. */
  caller(run: RunId, [first, second, third, fourth, high, low]: Caller): void {
    const slot = this.#begin(KIND.caller, run, this.#vital());
    if (slot < 0) return;
    this.#ring.words[slot + WORD.number] = low;
    this.#numbers(slot, first, second, third, fourth, high);
  }

  /** @param at when its first crank began, in milliseconds since 1970 */
  began(run: RunId, at: number): void {
    const slot = this.#begin(KIND.began, run, this.#vital());
    if (slot >= 0) this.#numbers(slot, at);
  }

  parked(run: RunId, at: number, waiting: string): void {
    const slot = this.#begin(KIND.parked, run, this.#vital(waiting));
    if (slot >= 0) this.#numbers(slot, at);
  }

  ended({ run, at, outcome, why = '', cpu_ms, calls, money_micros }: EndFact): void {
    const slot = this.#begin(KIND.ended, run, this.#vital(outcome, why));
    if (slot >= 0) this.#numbers(slot, at, cpu_ms, calls, money_micros);
  }

  /** @param delivery its kind @param number the effect that it answers; 0 for none @param peer the run whose end or message it is */
  crank(run: RunId, at: number, delivery: string, took_ms: number, cpu_us: number, number = 0, peer?: RunId): void {
    const slot = this.#begin(KIND.crank, run, this.#four(delivery));
    if (slot < 0) return;
    this.#id(slot + WORD.peer, peer);
    this.#ring.words[slot + WORD.number] = number;
    this.#numbers(slot, at, took_ms, cpu_us);
  }

  call(fact: CallFact): void {
    const { code = '', provider = '', model = '' } = fact;
    const slot = this.#begin(KIND.call, fact.run, this.#four(fact.tool, code, provider, model));
    if (slot < 0) return;
    this.#id(slot + WORD.peer, fact.peer);
    this.#ring.words[slot + WORD.number] = fact.call;
    this.#ring.words[slot + WORD.other] = fact.attempts;
    this.#numbers(slot, fact.at, fact.took_ms ?? NOT_MEASURED, fact.input_tokens, fact.output_tokens, fact.money_micros);
  }

  /** The first parts of a streamed answer of a model. */
  firstChunk(run: RunId, at: number, took_ms: number, provider: string, model: string): void {
    const slot = this.#begin(KIND.firstChunk, run, this.#four(provider, model));
    if (slot >= 0) this.#numbers(slot, at, took_ms);
  }

  /**
   * A text of a call, which goes ahead of the call's own fact. It is cut to the limit.
   * @param name of the attribute that it becomes
   */
  content(run: RunId, call: number, name: string, text: string): void {
    this.#long(KIND.content, run, call, this.#four(name), text, 0);
  }

  /** A record of the log. @param severity the number of OpenTelemetry @param text of `logText` */
  log(run: RunId | undefined, at: number, severity: number, text: string): void {
    this.#long(KIND.log, run, severity, this.#four(), text, at);
  }

  /** @param number in the inbox */
  message(run: RunId, at: number, peer: RunId, number: number): void {
    const slot = this.#begin(KIND.message, run, this.#four());
    if (slot < 0) return;
    this.#id(slot + WORD.peer, peer);
    this.#ring.words[slot + WORD.number] = number;
    this.#numbers(slot, at);
  }

  asked(run: RunId, at: number, call: number, tool: string): void {
    const slot = this.#begin(KIND.asked, run, this.#four(tool));
    if (slot < 0) return;
    this.#ring.words[slot + WORD.number] = call;
    this.#numbers(slot, at);
  }

  /** @param since when people were asked */
  decided(run: RunId, at: number, call: number, tool: string, verdict: string, since: number): void {
    const slot = this.#begin(KIND.decided, run, this.#four(tool, verdict));
    if (slot < 0) return;
    this.#ring.words[slot + WORD.number] = call;
    this.#numbers(slot, at, Math.max(0, at - since));
  }

  /** @param what the tool, or the agent that a message or a child run was for @param count of refusals of the same crank that it stands for */
  denied(run: RunId, at: number, call: number, what: string, code: string, rule: string, count = 1): void {
    const slot = this.#begin(KIND.denied, run, this.#four(what, code, rule));
    if (slot < 0) return;
    this.#ring.words[slot + WORD.number] = call;
    this.#numbers(slot, at, count);
  }

  /** An act on a run, or on the host if there is none: `pause`, `quarantine`. */
  act(run: RunId | undefined, at: number, what: string): void {
    const slot = this.#begin(KIND.act, run, LEAVES.has(what) ? this.#vital(what) : this.#four(what));
    if (slot >= 0) this.#numbers(slot, at);
  }

  step(run: RunId, at: number, detector: string, step: string): void {
    const slot = this.#begin(KIND.step, run, this.#four(detector, step));
    if (slot >= 0) this.#numbers(slot, at);
  }

  readonly #slot: [number, number, number, number] = [0, 0, 0, 0];

  /** Numbers of texts, which go ahead of the fact that has them. */
  #four(a = '', b = '', c = '', d = ''): readonly [number, number, number, number] {
    this.#left = this.#ring.reserved;
    return this.#texted(a, b, c, d);
  }

  /** The same for a fact on which others depend, so that a flood of others leaves room for it. */
  #vital(a = '', b = ''): readonly [number, number, number, number] {
    this.#left = 0;
    return this.#texted(a, b, '', '');
  }

  #texted(a: string, b: string, c: string, d: string): readonly [number, number, number, number] {
    this.#lacking = false;
    const slot = this.#slot;
    slot[0] = this.#number(a);
    slot[1] = this.#number(b);
    slot[2] = this.#number(c);
    slot[3] = this.#number(d);
    return slot;
  }

  /** @returns the position of the slot, which `#numbers` publishes; negative if the fact is dropped */
  #begin(kind: Kind, run: RunId | undefined, [a, b, c, d]: readonly [number, number, number, number]): number {
    // A text did not fit, and the drop was counted there.
    if (this.#lacking || !this.#ring.hasRoom(1, this.#left)) return -1;
    const at = this.#ring.free(0);
    const { words } = this.#ring;
    words.fill(0, at, at + WORDS);
    words[at] = kind;
    this.#id(at + WORD.run, run);
    words[at + WORD.a] = a;
    words[at + WORD.b] = b;
    words[at + WORD.c] = c;
    words[at + WORD.d] = d;
    return at;
  }

  #numbers(at: number, first: number, second = 0, third = 0, fourth = 0, fifth = 0): void {
    const { numbers } = this.#ring;
    const from = (at + WORDS) / 2;
    numbers[from] = first;
    numbers[from + 1] = second;
    numbers[from + 2] = third;
    numbers[from + 3] = fourth;
    numbers[from + 4] = fifth;
    this.#ring.publish(1);
  }

  /** A fact with a text that is sent whole, in the slots behind it. */
  #long(
    kind: Kind,
    run: RunId | undefined,
    number: number,
    texts: readonly [number, number, number, number],
    text: string,
    at: number,
  ): void {
    const { written } = this.#encoder.encodeInto(text, (this.#longest ??= new Uint8Array(LONG_BYTES)));
    const slots = Math.ceil(written / SLOT_BYTES);
    if (!this.#lacking && !this.#ring.hasRoom(1 + slots, this.#left)) return;
    const slot = this.#begin(kind, run, texts);
    if (slot < 0) return;
    this.#ring.words[slot + WORD.number] = number;
    this.#ring.words[slot + WORD.peer] = written;
    for (let i = 0; i < slots; i++)
      this.#ring.bytes.set(this.#longest.subarray(i * SLOT_BYTES, Math.min(written, (i + 1) * SLOT_BYTES)), this.#ring.free(1 + i) * 4);
    this.#ring.numbers[(slot + WORDS) / 2] = at;
    this.#ring.publish(1 + slots);
  }

  #id(at: number, run: RunId | undefined): void {
    if (run === undefined) return;
    const { words } = this.#ring;
    words[at] = packed(run, PREFIX.length) | PRESENT;
    words[at + 1] = packed(run, PREFIX.length + HALF);
  }

  /** The number of a text. A new one is sent first, as a record of its own. */
  #number(text: string): number {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    const { written } = this.#encoder.encodeInto(text, this.#scratch);
    const slots = 1 + Math.ceil(written / SLOT_BYTES);
    if (this.#lacking || !this.#ring.hasRoom(slots, this.#left)) {
      this.#lacking = true;
      return 0;
    }
    const number = this.#named(text);
    const at = this.#ring.free(0);
    this.#ring.words[at] = KIND.text;
    this.#ring.words[at + WORD.number] = number;
    this.#ring.words[at + WORD.a] = written;
    for (let i = 1; i < slots; i++)
      this.#ring.bytes.set(this.#scratch.subarray((i - 1) * SLOT_BYTES, Math.min(written, i * SLOT_BYTES)), this.#ring.free(i) * 4);
    this.#ring.publish(slots);
    return number;
  }

  /**
   * Gives a name a number. Where all are in use, it gets that of the name that was numbered first: the reader learns the new one in the order of
   * the ring, after the facts that meant the old one. So a caller that makes ever new names costs slots, and no memory.
   */
  #named(text: string): number {
    for (;;) {
      const place = this.#nextName;
      this.#nextName = (place + 1) % this.#names.length;
      const number = VOCABULARY.length + place;
      // The present fact has this one already.
      if (this.#slot.includes(number)) continue;
      const before = this.#names[place];
      if (before !== undefined) this.#texts.delete(before);
      this.#names[place] = text;
      this.#texts.set(text, number);
      return number;
    }
  }
}
