/**
 * A crank while it is being decided. All that deciding changes is in here: the books of the run in a draft of them, what it has used of
 * grants that it shares with others, grants that it has made, what the host has seen it do. It is adopted as a whole, in one
 * synchronous step, or dropped; then everything is as it was.
 */
import type { Delivery } from '@corral/protocol/wire/delivery';
import type { Effect } from '@corral/protocol/wire/effect';
import type { GrantId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { Inspected } from '@corral/protocol/model/inspection';
import { boundedOutcome } from '@corral/protocol/model/outcome';
import type { BusRun, Crank } from '../bus.ts';
import { ended, letGo, type Batch } from '../effects/batch.ts';
import { Deciding } from '../effects/decide.ts';
import type { DraftPolicies } from '../policies/draft-policies.ts';
import { EffectReader } from '../effects/parse.ts';
import { overrun, undecided } from './endings.ts';
import { muted } from '../effects/output.ts';
import { finishOutcome } from './finish.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { DecideContext } from '../effects/context.ts';

export class CrankDraft {
  /** The books of the run with the crank in them, as far as it is decided. */
  readonly books: Ledger;
  /** Grants that the run holds no more, or never held, for what it was given. */
  readonly letGoOf: readonly GrantId[];
  readonly #ledger: Ledger;
  readonly #crank: Crank;
  readonly #context: DecideContext;
  readonly #policies: DraftPolicies | undefined;
  readonly #reader: EffectReader;
  readonly #deciding: Deciding;
  #batch: Batch | undefined;
  /** CPU time of deciding that the run pays for; known once `finish` was called. */
  decide_us = 0;

  /**
   * Takes in what the crank was given.
   * @param policies those of the context, undefined where that has none
   */
  constructor({ ledger }: BusRun, crank: Crank, context: DecideContext, policies: DraftPolicies | undefined) {
    this.#ledger = ledger;
    this.#crank = crank;
    this.#policies = policies;
    this.#context = context;
    this.#reader = new EffectReader(crank.effectsText, ledger.record.ceilings);
    this.books = ledger.draft();
    this.#deciding = new Deciding(this.books, ledger.seq + 1, this.#reader.effects, this.#context);
    try {
      this.books.beginCrank(crank.delivery, Buffer.byteLength(crank.deliveryText), crank.cpu_us, crank.inbox);
    } catch (error) {
      this.drop();
      throw error;
    }
    this.letGoOf = letGoOf(ledger, this.books, crank.delivery);
  }

  /**
   * Decides the next effects, once all effects are read: if one of them is invalid, none is decided.
   * @param most maximum number of effects
   * @param isOver called after every few effects; true ends the slice
   * @returns whether there are more effects
   */
  go(most: number, isOver: () => boolean = () => false): boolean {
    while (this.#reader.go(READ_AT_ONCE)) if (isOver()) return true;
    if (this.#reader.outcome !== undefined) this.#batch ??= ended(boundedOutcome(this.#reader.outcome));
    if (this.#batch !== undefined) return false;
    for (let left = most; left > 0;) {
      const count = this.#next(Math.min(left, AT_ONCE));
      if (!this.#deciding.go(count)) return false;
      if (this.waits !== undefined) return true;
      if (isOver()) return true;
      left -= count;
    }
    return true;
  }

  /** How many effects are decided before the clock is read again: one, if it may take long. */
  #next(most: number): number {
    const { effects, lengths } = this.#reader;
    const at = this.#deciding.taken.length;
    let [count, chars] = [0, 0];
    while (count < most && chars < CHARS_AT_ONCE && at + count < effects.length) {
      const effect = effects[at + count] as Effect;
      // A value behind a handle may have any length.
      chars += effect.kind === 'open' || 'handles' in effect ? CHARS_AT_ONCE : (lengths[at + count] ?? 0);
      count += 1;
    }
    return Math.max(1, count);
  }

  /** The output about which inspectors have to be asked before the rest is decided. */
  get waits(): { readonly asks: readonly string[]; readonly value: Json } | undefined {
    return this.#deciding.waits;
  }

  /** Takes the findings of inspectors about the output. */
  said(inspected: Inspected): void {
    this.#deciding.said(inspected);
  }

  /** Prepares for other work before the rest of this crank is decided: policies that are replaced meanwhile stay loaded. */
  wait(): void {
    this.#policies?.wait();
  }

  /** Whether a capability that a decision used has been revoked since. */
  get isStale(): boolean {
    const { uses, grants, outbox } = this.#deciding.batch;
    const ids = new Set([...uses, ...grants, ...outbox.flatMap((one) => one.grants ?? [])].map(({ id }) => id));
    return ids.values().some((id) => this.#context.grants.isRevoked(id));
  }

  /** The effects of the crank; none if they are invalid. */
  get effects(): readonly Effect[] {
    return this.#reader.outcome === undefined ? this.#reader.effects : [];
  }

  /** The time of the decisions and of the entry: when deciding began, in milliseconds since 1970. */
  get now(): number {
    return this.#context.now;
  }

  /** The consequences of the effects; complete once `finish` was called. */
  get batch(): Batch {
    return this.#batch ?? this.#deciding.batch;
  }

  /**
   * All of it is decided, or no more of it will be: whether that ends the run.
   * @param decide_us CPU time of deciding that the run pays for, in microseconds
   * @param isUnfinished it took too long
   */
  finish(decide_us: number, isUnfinished: boolean): void {
    this.decide_us = decide_us;
    if (this.#batch !== undefined) return;
    const { books } = this;
    const { cpu_us, deliveryText, effectsText } = this.#crank;
    let { batch } = this.#deciding;
    books.endCrank(this.#ledger.seq + 1, deliveryText.length + effectsText.length, cpu_us, decide_us);
    const limit = isUnfinished ? undecided(effectsText) : overrun(books);
    if (batch.outcome === undefined && limit !== undefined) {
      // Nothing of it leaves, so nobody gets what it would have given away.
      letGo(this.#context, batch);
      batch = this.#deciding.batch = ended(limit, batch);
    }
    batch.outcome ??= batch.withheld ?? muted(finishOutcome(books), batch.muted);
    if (batch.outcome !== undefined) batch.outcome = boundedOutcome(batch.outcome);
    this.#batch = batch;
  }

  /** The run has it from here on, and the host knows of it; `seal` of the ledger follows at once. */
  adopt(): void {
    const { delivery, inbox } = this.#crank;
    this.#ledger.adopt(this.books, { delivery, inbox, effects: this.#deciding.taken, ended: this.books.seq > this.#ledger.seq });
    this.#policies?.adopt();
  }

  /** Nothing comes of it. */
  drop(): void {
    const { batch } = this.#deciding;
    const { grants } = this.#context;
    letGo(this.#context, batch);
    for (const one of batch.uses.toReversed()) grants.unuse(one);
    this.#policies?.drop();
    this.books.drop();
  }
}

/** Characters of effects after which the clock is read, however few the effects. */
const CHARS_AT_ONCE = 4 * 1024;
/** Effects that are decided, and that are read, between two readings of the clock. Most cranks have fewer, so they never read it. */
const AT_ONCE = 8;
const READ_AT_ONCE = 64;

const NONE: readonly GrantId[] = [];

/** @param books the same with the delivery in them */
function letGoOf({ caps }: Ledger, books: Ledger, delivery: Delivery): readonly GrantId[] {
  // For capabilities beyond what it may hold there was no room.
  if (delivery.kind === 'message') return delivery.caps?.slice(books.caps.size - caps.size).map(({ grant }) => grant) ?? NONE;
  const child = delivery.kind === 'child_ended' ? caps.get(-delivery.id) : undefined;
  return child === undefined ? NONE : [child];
}
