/**
 * Decides a crank in slices, over several turns of the event loop, so that a crank with many effects does not hold up its host. Between two
 * slices other runs are decided. They see the reservations and uses of the draft; the store does not. If a capability that the draft used
 * is revoked meanwhile, the draft is dropped and the crank is decided again. The CPU time of all slices is limited, and the run pays for it.
 */
import type { Json } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import type { Inspected } from '@corral/protocol/model/inspection';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Accounts } from '../accounts/accounts.ts';
import type { BrokerPowers, BusRun, Crank, Slice } from '../bus.ts';
import { CrankDraft } from './draft.ts';
import type { Turns } from './turns.ts';

const WHOLE: Slice = { effects: Number.POSITIVE_INFINITY, gap_ms: 0 };

/** CPU time of deciding after which a crank is not adopted in the same turn. */
const ADOPTED_AFTER_MS = 1;

export interface SlicesOptions {
  readonly clock: Clock;
  readonly turns: Turns;
  readonly accounts: Accounts | undefined;
  /** Undefined: only the time limits a slice. */
  readonly slice: BrokerPowers['slice'];
  /** Makes a draft of which nothing is decided yet. @throws an error if the delivery cannot be applied */
  readonly draft: (run: BusRun, crank: Crank) => CrankDraft;
  /** Asks inspectors about the output of a run. @returns a function that stops waiting for them */
  readonly inspect: (run: BusRun, value: Json, asks: readonly string[], then: (said: Inspected) => void) => () => void;
  /** The runs that have an open draft. */
  readonly open: Set<BusRun>;
}

/** Called once the crank is decided, in one synchronous step: `done` or `failed`, then the waiting work, then `after`. Or `stopped` alone. */
export interface Decided {
  /** Adopts the draft. */
  readonly done: (draft: CrankDraft) => void;
  /** The crank cannot be decided; the draft is dropped. */
  readonly failed: (error: unknown) => void;
  /** The run was paused: drops the draft and does the waiting work. */
  readonly stopped: () => void;
  readonly after: () => void;
}

export class Slices {
  readonly #options: SlicesOptions;
  readonly #run: BusRun;
  readonly #crank: Crank;
  readonly #decided: Decided;
  #draft: CrankDraft | undefined;
  /** Withdraws the draft's amounts from the accounts, because its own books count them while it is decided. */
  #release: (() => void) | undefined;
  #stop: (() => void) | undefined;
  #isOpen = false;
  /** All is decided; only the draft is to be adopted. */
  #isReady = false;
  #slice = WHOLE;
  /** CPU time that deciding has taken so far. */
  #spent_ms = 0;

  constructor(options: SlicesOptions, run: BusRun, crank: Crank, decided: Decided) {
    this.#options = options;
    this.#run = run;
    this.#crank = crank;
    this.#decided = decided;
  }

  /** Decides the first slice, at once if there is time in this turn of the event loop and its tenant has a turn. Further slices follow by timer. */
  begin(): void {
    if (this.#options.turns.mayBegin(this.#run.ledger.record.tenant)) this.next();
    else this.#wait();
  }

  /** Decides the next slice. */
  next(): void {
    if (this.#isOpen && this.#run.control !== 'none') return this.#decided.stopped();
    const began = this.#cpu();
    try {
      const draft = this.#decide(began);
      if (draft === undefined) return;
      this.#end();
      if (draft instanceof CrankDraft) this.#decided.done(draft);
      else this.#decided.failed(draft.error);
      this.#run.behind.drain();
      this.#decided.after();
    } finally {
      this.#options.turns.spent(this.#run.ledger.record.tenant, this.#cpu() - began);
    }
  }

  /** @returns the decided draft; undefined if another slice follows */
  #decide(began: number): CrankDraft | { readonly error: unknown } | undefined {
    try {
      return this.#attempt(began);
    } catch (error) {
      this.#draft?.drop();
      return { error };
    }
  }

  #attempt(began: number): CrankDraft | undefined {
    const draft = (this.#draft ??= this.#options.draft(this.#run, this.#crank));
    this.#take();
    const hasMore = this.#go(draft, began);
    const took_ms = this.#cpu() - began;
    this.#spent_ms += took_ms;
    if (draft.waits !== undefined) {
      this.#wait(draft, this.#inspect(draft, draft.waits));
      return undefined;
    }
    const isTooLong = hasMore && this.#spent_ms >= MACHINE.decide_cpu_ms.default;
    // A long crank is adopted in a turn of its own, because that takes time too.
    const isLate = !hasMore && this.#isOpen && !this.#isReady && took_ms > ADOPTED_AFTER_MS;
    if ((hasMore && !isTooLong) || isLate) {
      this.#isReady = isLate;
      this.#wait(draft);
      return undefined;
    }
    if (this.#isOpen && draft.isStale) {
      // A decision of an earlier slice used a capability that is revoked by now: no effect of this draft may leave.
      draft.drop();
      this.#draft = undefined;
      this.#isReady = false;
      return this.#attempt(began);
    }
    // A crank that was decided at once costs nothing, so an entry depends on measured times only where it took long.
    draft.finish(this.#isOpen ? Math.round(this.#spent_ms * 1000) : 0, isTooLong);
    return draft;
  }

  #cpu(): number {
    const { clock } = this.#options;
    return clock.cpu === undefined ? clock.monotonic() : clock.cpu();
  }

  /** Decides the next effects. @returns whether there are more */
  #go(draft: CrankDraft, began: number): boolean {
    this.#slice = this.#options.slice?.(this.#run.ledger.record.id) ?? WHOLE;
    return draft.go(this.#slice.effects, () => this.#cpu() - began >= MACHINE.decide_slice_ms.default);
  }

  /** Asks inspectors about the output, and goes on once they have answered. @returns a function that stops waiting */
  #inspect(draft: CrankDraft, { asks, value }: NonNullable<CrankDraft['waits']>): () => void {
    let isOver = false;
    const stop = this.#options.inspect(this.#run, value, asks, (inspected) => {
      if (isOver) return;
      draft.said(inspected);
      this.next();
    });
    return () => {
      isOver = true;
      stop();
    };
  }

  /** Counts the draft's reservations against other runs, and leaves the event loop to them. @param stop set if something else goes on with it */
  #wait(draft?: CrankDraft, stop?: () => void): void {
    const { turns, accounts, open } = this.#options;
    if (!this.#isOpen) {
      this.#isOpen = true;
      open.add(this.#run);
      this.#run.behind.begin(this.#crank, () => this.#drop());
    }
    draft?.wait();
    this.#release = draft === undefined ? undefined : accounts?.hold(draft.books);
    this.#stop = stop ?? turns.after(this.#run.ledger.record.tenant, this.#slice.gap_ms, () => this.next());
  }

  #take(): void {
    this.#release?.();
    this.#release = undefined;
  }

  #drop(): void {
    this.#stop?.();
    this.#take();
    this.#draft?.drop();
    this.#close();
  }

  #end(): void {
    if (this.#isOpen) this.#run.behind.over();
    this.#close();
  }

  #close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#options.open.delete(this.#run);
  }
}
