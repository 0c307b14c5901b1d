/**
 * Compares one act of a run (a call with its result, or a message) with the acts before it: was it done before, did it have the same
 * answer, is it the same in other words, does the answer contain anything new? All detectors of loops in one run start from this
 * comparison.
 */
import { Cycle } from './cycle.ts';
import type { CallSeen, ResultSeen } from './events.ts';
import { Known, pack, unpack, Wordings } from './memory.ts';
import { hashText, mix, Reader, type Reading } from './reading.ts';

/** Number of remembered acts, as digests. */
const ACTS_MAX = 64;
/** Maximum number of calls under way; one more, and the oldest is judged without its result. */
const OPEN_MAX = 64;
/** A repeat after at least this wait is polling and not a loop. */
const PATIENT_MS = 30_000;
/** A repeat is backing off if it waited at least this long, and longer than the previous wait by BACK_OFF_RATIO. */
const BACK_OFF_MS = 200;
const BACK_OFF_RATIO = 1.1;

/** A complete act, compared with the acts before it. Shares are from 0 to 1. */
export interface Act {
  /** Position of its first event in the run's stream. */
  position: number;
  readonly subject: string;
  readonly message: boolean;
  /** A call that changes something, according to its tool's annotations. */
  readonly effect: boolean;
  readonly failed: boolean;
  /** Code of the error that it failed or was refused with; undefined if it did neither. */
  readonly code: string | undefined;
  /** Whether there was an answer. */
  readonly answered: boolean;
  /** Whether the answer is long enough to be told apart from other answers. */
  readonly telling: boolean;
  /** Number of remembered acts that are the same and had the same answer. */
  readonly same: number;
  /** Number of remembered acts that are the same, with any answer. */
  readonly again: number;
  /** Number of remembered acts with the same subject that had the same answer. */
  readonly echoed: number;
  /**
   * Similarity to the most similar of the latest acts with this subject (for a message: of the latest messages). 1: a remembered act is
   * the same.
   */
  readonly alike: number;
  /** The previous act was a message to the same peer, and nothing was received since. */
  readonly unanswered: boolean;
  /** The answer, or the message, is short and has words of failure. `retrying`: what was asked has words of trying again. */
  readonly failing: boolean;
  readonly retrying: boolean;
  /** Share of the words in the answer (in a message: of its own words) that are new; NaN without an answer or words. */
  readonly novelty: number;
  /** Share of the words in what was asked that no earlier act used. */
  readonly askedNovelty: number;
  /** Number of failures in a row, this one included. */
  readonly failures: number;
  /** The same call but for its page, with another answer than the other pages. */
  readonly turnedPage: boolean;
  /** Whether the answer, or the message, begins like one of the latest; undefined if it is too short to tell. */
  readonly begun: boolean | undefined;
  /** The same act came before, and this one waited long (PATIENT_MS) or backed off; or it polled, and did not fail. */
  readonly waited: boolean;
  readonly foretold: boolean;
  /** Positions of the first and the last remembered act that is the same with the same answer; -1: none. */
  readonly firstSame: number;
  readonly lastSame: number;
}

interface Open {
  readonly id: number;
  readonly position: number;
  readonly at: number;
  readonly subject: string;
  readonly effect: boolean;
  readonly key: number;
  readonly pageless: number;
  readonly alike: number;
  readonly failing: boolean;
  readonly retrying: boolean;
  readonly askedNovelty: number;
  readonly head: number;
  readonly polled?: true;
}

/** Number of remembered beginnings, and the words and word pairs that make one. */
const HEADS_MAX = 8;
const HEAD_TOKENS = 8;

const FIELDS = 7;
const [KEY, ANSWER, SUBJECT, POSITION, AT, GAP, PAGELESS] = [0, 1, 2, 3, 4, 5, 6];

const reader = new Reader();
/** Messages are compared with each other, regardless of their recipient. */
const MESSAGES = 0x6d73_6773;
/** A longer answer is about more than its own failure. */
const SHORT_WORDS = 80;

/** If the value was not read completely, its digest decides whether it is the same. */
function whole(reading: Reading, digest: string | undefined): Reading {
  if (reading.cut && digest !== undefined) reading.digest = mix(reading.digest, hashText(digest));
  return reading;
}

const isPatient = (gap: number, before: number): boolean => gap >= PATIENT_MS || (gap >= BACK_OFF_MS && gap >= before * BACK_OFF_RATIO);

/** A hash of the beginning of a text; 0 if the text is too short. */
function headOf({ tokens, count }: Reading): number {
  if (count < HEAD_TOKENS) return 0;
  let head = 41;
  for (let i = 0; i < HEAD_TOKENS; i++) head = mix(head, tokens[i] as number);
  return head;
}

export class Acts {
  readonly cycle = new Cycle();
  readonly #acts = new Int32Array(ACTS_MAX * FIELDS);
  #count = 0;
  readonly #wordings = new Wordings();
  readonly #answers = new Known();
  #open: Open[] = [];
  #failures = 0;
  #lastSubject = 0;
  readonly #heads = new Int32Array(HEADS_MAX);
  #headCount = 0;

  /** Takes a call. @returns the oldest act under way, if it was given up because too many are */
  call({ id, at, tool, input, effect, digest, polled }: CallSeen, position: number): Act | undefined {
    const given = this.#open.length >= OPEN_MAX ? this.#close(this.#open.shift() as Open, at, undefined) : undefined;
    const open = this.#ask(id, position, at, tool, whole(reader.read(input, 'asked'), digest), false, effect);
    this.#open.push(polled === true ? { ...open, polled } : open);
    return given;
  }

  /** Takes the result of a call. @returns undefined if no such call is under way */
  result({ id, at, value, error, digest }: ResultSeen): Act | undefined {
    const index = this.#open.findIndex((open) => open.id === id);
    if (index < 0) return undefined;
    const [open] = this.#open.splice(index, 1) as [Open];
    if (error !== undefined) return this.#close(open, at, reader.read([error.code, error.message], 'result'), error.code);
    return this.#close(open, at, value === undefined ? undefined : whole(reader.read(value, 'result'), digest));
  }

  /** Takes a message, which is complete at once. */
  message(position: number, at: number, subject: string, body: unknown): Act {
    return this.#close(this.#ask(0, position, at, subject, reader.read(body, 'asked'), true), at, undefined, undefined, true);
  }

  /** A message was received, so the next message counts as an answer. */
  heard(subject: string): void {
    this.#lastSubject = hashText(subject);
  }

  #ask(id: number, position: number, at: number, subject: string, reading: Reading, message: boolean, effect = false): Open {
    const tool = hashText(subject);
    const alike = this.#wordings.take(message ? MESSAGES : tool, reading);
    return {
      id,
      position,
      at,
      subject,
      effect,
      key: mix(tool, reading.digest),
      pageless: reading.pageless === 0 ? 0 : mix(tool, reading.pageless),
      alike,
      failing: reading.failing > 0 && reading.count < SHORT_WORDS,
      retrying: reading.retrying > 0,
      askedNovelty: this.#wordings.novelty,
      head: message ? headOf(reading) : 0,
    };
  }

  /** Whether this beginning is one of the latest; remembers it. */
  #begun(head: number): boolean | undefined {
    if (head === 0) return undefined;
    const known = this.#heads.includes(head);
    this.#heads[this.#headCount++ % HEADS_MAX] = head;
    return known;
  }

  #close(open: Open, at: number, answer: Reading | undefined, code?: string, message = false): Act {
    const [failed, tool] = [code !== undefined, hashText(open.subject)];
    const digest = answer === undefined ? 0 : mix(answer.digest, failed ? 3 : 5);
    const telling = answer !== undefined && answer.count >= 4;
    let again = 0;
    let same = 0;
    let echoed = 0;
    let turns = 0;
    let [firstSame, lastSame] = [-1, -1];
    let lastAt = -1;
    let lastGap = 0;
    const acts = this.#acts;
    for (let i = Math.max(0, this.#count - ACTS_MAX); i < this.#count; i++) {
      const row = (i % ACTS_MAX) * FIELDS;
      if (acts[row + SUBJECT] !== tool) continue;
      const sameAnswer = acts[row + ANSWER] === digest;
      if (acts[row + KEY] === open.key) {
        again++;
        lastAt = acts[row + AT] as number;
        lastGap = acts[row + GAP] as number;
        if (sameAnswer) {
          same++;
          lastSame = acts[row + POSITION] as number;
          if (firstSame < 0) firstSame = lastSame;
        }
      } else if (open.pageless !== 0 && acts[row + PAGELESS] === open.pageless && !sameAnswer) turns++;
      if (sameAnswer && answer !== undefined) echoed++;
    }
    // Kept in 32 bits, so the value wraps after 23 days; one wait then counts as none.
    const now = Math.trunc(open.at % 2_000_000_000);
    const gap = lastAt < 0 ? 0 : Math.max(0, now - lastAt);
    const waited = (lastAt >= 0 && isPatient(gap, lastGap)) || (open.polled === true && !failed);
    const novelty = answer === undefined ? (message ? open.askedNovelty : Number.NaN) : this.#answers.take(answer);
    this.#failures = failed ? this.#failures + 1 : answer === undefined ? this.#failures : 0;
    const unanswered = message && this.#lastSubject === tool;
    this.#lastSubject = tool;
    const row = (this.#count++ % ACTS_MAX) * FIELDS;
    acts[row + KEY] = open.key;
    acts[row + ANSWER] = digest;
    acts[row + SUBJECT] = tool;
    acts[row + POSITION] = open.position;
    acts[row + AT] = now;
    acts[row + GAP] = gap;
    acts[row + PAGELESS] = open.pageless;
    return {
      position: open.position,
      subject: open.subject,
      message,
      effect: open.effect,
      failed,
      code,
      answered: answer !== undefined,
      telling,
      same: answer === undefined && !message ? 0 : same,
      again,
      echoed,
      alike: again > 0 ? 1 : open.alike,
      unanswered,
      failing: message ? open.failing : answer !== undefined && answer.failing > 0 && answer.count < SHORT_WORDS,
      retrying: open.retrying,
      novelty,
      askedNovelty: open.askedNovelty,
      failures: this.#failures,
      begun: this.#begun(answer === undefined ? open.head : headOf(answer)),
      turnedPage: turns > 0 && again === 0 && !failed,
      waited,
      foretold: this.cycle.take(mix(open.key, digest)),
      firstSame,
      lastSame,
    };
  }

  save(): unknown {
    const keep = Math.min(this.#count, ACTS_MAX) * FIELDS;
    return {
      count: this.#count,
      acts: pack(this.#acts.subarray(0, keep)),
      wordings: this.#wordings.save(),
      answers: this.#answers.save(),
      last_subject: this.#lastSubject,
      heads: [this.#headCount, ...this.#heads],
      open: this.#open,
      failures: this.#failures,
      cycle: this.cycle.save(),
    };
  }

  load(saved: ReturnType<Acts['save']>): void {
    const from = saved as Saved;
    this.#count = from.count;
    unpack(from.acts, this.#acts);
    this.#wordings.load(from.wordings);
    this.#answers.load(from.answers);
    this.#lastSubject = from.last_subject;
    const [count, ...heads] = from.heads;
    this.#headCount = count;
    this.#heads.set(heads);
    this.#open = [...from.open];
    this.#failures = from.failures;
    this.cycle.load(from.cycle);
  }
}

interface Saved {
  readonly count: number;
  readonly acts: string;
  readonly wordings: unknown;
  readonly answers: unknown;
  readonly last_subject: number;
  readonly heads: readonly [number, ...number[]];
  readonly open: readonly Open[];
  readonly failures: number;
  readonly cycle: ReturnType<Cycle['save']>;
}
