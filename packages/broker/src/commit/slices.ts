/**
 * Decides a crank in slices, over several turns of the event loop, so that a crank with many effects does not hold up its host. Between two
 * slices other runs are decided. They see the reservations and uses of the draft; the store does not. If a capability that the draft used
 * is revoked meanwhile, the draft is dropped and the crank is decided again.
 */
import { MACHINE } from '@corral/protocol/limits';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Accounts } from '../accounts/accounts.ts';
import type { BrokerPowers, BusRun, Crank, Slice } from '../bus.ts';
import { CrankDraft } from './draft.ts';
import type { Turns } from './turns.ts';

const WHOLE: Slice = { effects: Number.POSITIVE_INFINITY, gap_ms: 0 };

export interface SlicesOptions {
  readonly clock: Clock;
  readonly turns: Turns;
  readonly accounts: Accounts | undefined;
  /** Undefined: only the time limits a slice. */
  readonly slice: BrokerPowers['slice'];
  /** Makes a draft of which nothing is decided yet. @throws an error if the delivery cannot be applied */
  readonly draft: (run: BusRun, crank: Crank) => CrankDraft;
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
  #slice = WHOLE;

  constructor(options: SlicesOptions, run: BusRun, crank: Crank, decided: Decided) {
    this.#options = options;
    this.#run = run;
    this.#crank = crank;
    this.#decided = decided;
  }

  /** Decides the next slice. Further slices follow by timer. */
  next(): void {
    if (this.#isOpen && this.#run.control !== 'none') return this.#decided.stopped();
    const draft = this.#decide();
    if (draft === undefined) return;
    this.#end();
    if (draft instanceof CrankDraft) this.#decided.done(draft);
    else this.#decided.failed(draft.error);
    this.#run.behind.drain();
    this.#decided.after();
  }

  /** @returns the decided draft; undefined if another slice follows */
  #decide(): CrankDraft | { readonly error: unknown } | undefined {
    try {
      const draft = (this.#draft ??= this.#options.draft(this.#run, this.#crank));
      this.#take();
      if (this.#go(draft)) this.#wait(draft);
      else if (this.#isOpen && draft.isStale) {
        // A decision of an earlier slice used a capability that is revoked by now: no effect of this draft may leave.
        draft.drop();
        this.#draft = undefined;
        return this.#decide();
      } else {
        draft.finish();
        return draft;
      }
      return undefined;
    } catch (error) {
      this.#draft?.drop();
      return { error };
    }
  }

  /** Decides the next effects. @returns whether there are more */
  #go(draft: CrankDraft): boolean {
    const { clock, slice } = this.#options;
    this.#slice = slice?.(this.#run.ledger.record.id) ?? WHOLE;
    let until: number | undefined;
    return draft.go(this.#slice.effects, () => {
      const now = clock.monotonic();
      until ??= now + MACHINE.decide_slice_ms.default;
      return now >= until;
    });
  }

  /** Counts the draft's reservations against other runs, and leaves the event loop to them. */
  #wait(draft: CrankDraft): void {
    const { turns, accounts, open } = this.#options;
    if (!this.#isOpen) {
      this.#isOpen = true;
      open.add(this.#run);
      this.#run.behind.begin(this.#crank, () => this.#drop());
    }
    draft.wait();
    this.#release = accounts?.hold(draft.books);
    this.#stop = turns.after(this.#run.ledger.record.tenant, this.#slice.gap_ms, () => this.next());
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
