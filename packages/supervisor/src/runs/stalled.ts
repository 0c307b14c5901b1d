/**
 * Ends runs that can never wake. A run is idle if it has nothing to do and waits for nothing but a message. Whether it is stalled depends on
 * others: on the runs that hold its mailbox, here, in the store and at other nodes. They end without telling it.
 *
 * Invariant: an idle run in memory is being looked at, or has the alarm `stalled`; an idle run that is parked has a deadline in the store at
 * which it is brought back, and looked at. For that,
 * - each event after which a run may be idle looks at it: the end of a crank, a delivery that was for nobody, its return into memory, a
 *   resumption, and the durable end of another run that held its mailbox (`left`);
 * - a look that finds no stall in an idle run, or cannot decide, sets the alarm; the alarm asks the store, and memory no more;
 * - Parking sets the deadline; see idle.ts.
 * So a run in memory is found at most LONGEST_MS after it has stalled, and a parked one after as long again as it has waited, or ten minutes if
 * that is more, even if each hint is lost.
 */
import type { Broker } from '@corral/broker/broker';
import type { Grants } from '@corral/policy/capability/grants';
import type { RunId } from '@corral/protocol/ids';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Store } from '@corral/protocol/ports/store';
import { isIdle } from './idle.ts';
import type { Membership } from './membership.ts';
import { grantsIn, type Queued } from './queue.ts';
import type { Residency } from './residency.ts';
import type { Run } from './run.ts';

export interface StalledOptions {
  readonly clock: Pick<Clock, 'after'>;
  readonly grants: Pick<Grants, 'isShared'>;
  readonly store: Pick<Store, 'isShared'>;
  readonly broker: Pick<Broker, 'settled'>;
  readonly runs: ReadonlyMap<RunId, Run>;
  readonly residency: Pick<Residency, 'refresh' | 'hint'>;
  readonly membership: Pick<Membership, 'isFleet'>;
}

/** An idle run in memory is looked at again after this time, each time after twice as much, up to the longest. Milliseconds. */
const FIRST_MS = 1_000;
const LONGEST_MS = 600_000;

/** The other runs to whose mailboxes a run can write, also by messages that it has not got, or had when its crank was dropped. */
export function mailboxesOf(
  grants: Pick<Grants, 'get'>,
  run: Run,
  ...cranks: readonly (Pick<Queued, 'delivery'> | undefined)[]
): ReadonlySet<RunId> {
  const { caps, record } = run.ledger;
  const carried = cranks.flatMap((crank) => (crank === undefined ? [] : grantsIn(crank.delivery)));
  const owners = new Set<RunId>();
  for (const id of [...caps.values(), ...run.queue.unreceived, ...carried]) {
    const target = grants.get(id)?.target;
    if (target?.kind === 'mailbox') owners.add(target.run);
  }
  owners.delete(record.id);
  // The parent hears of the end, and is looked at after the crank for that.
  if (record.parent !== undefined) owners.delete(record.parent.run);
  return owners;
}

function stalledAt({ lastId }: Pick<Run['ledger'], 'lastId'>): Outcome {
  const place = lastId === 0 ? 'before its first effect' : `after its effect number ${lastId}`;
  const message = `The run waits for something that nothing can bring: no call, timer, child or message is on its way. It awaits this ${place}.`;
  return { kind: 'failed', code: 'CORRAL_STALLED', message };
}

export class Stalled {
  readonly #options: StalledOptions;
  readonly #onStalled: (run: Run, outcome: Outcome) => void;
  #closed = false;

  /** @param onStalled ends the run, in the same synchronous step in which it was found */
  constructor(options: StalledOptions, onStalled: (run: Run, outcome: Outcome) => void) {
    this.#options = options;
    this.#onStalled = onStalled;
  }

  /** The host stops: nothing is looked at again. */
  close(): void {
    this.#closed = true;
  }

  /** A run that held the mailbox of this one has ended, durably. */
  left(id: RunId): void {
    const run = this.#options.runs.get(id);
    if (run !== undefined && run.parking === undefined) void this.look(run);
    // It is parked, or at another node: it is looked at there, once it is in memory.
    else this.#options.residency.hint(id);
  }

  /** Called when a run may be idle. Looks at the same run may overlap. Never rejects. */
  async look(run: Run, wait_ms = FIRST_MS): Promise<void> {
    run.alarms.callOff('stalled');
    if (!isIdle(run)) return;
    // It must not be parked while the store is asked.
    const letGo = run.keep();
    try {
      if (run.parking !== undefined) await run.parking;
      const own = run.ledger.listening ? run.ledger.caps.get(0) : undefined;
      if (own !== undefined && (await this.#isShared(run, own, wait_ms === FIRST_MS))) return this.#lookAgain(run, wait_ms);
      // Nobody can write to it any more, but somebody may have done so before: this host may not have heard of that commit yet.
      const mayHaveMail = own !== undefined || this.#options.membership.isFleet;
      if (mayHaveMail && !(await this.#options.residency.refresh(run))) return this.#lookAgain(run, wait_ms);
      if (this.#isHere(run) && isIdle(run)) this.#onStalled(run, stalledAt(run.ledger));
    } finally {
      letGo();
    }
  }

  /**
   * Whether a run could write to the mailbox. Where the store does not answer, it counts as shared.
   * @param isFirst what memory says is enough to look later: it may lag behind the store
   */
  async #isShared(run: Run, own: Parameters<Store['isShared']>[0], isFirst: boolean): Promise<boolean> {
    const { grants, broker, store } = this.#options;
    if (isFirst && grants.isShared(own)) return true;
    // A run that could write to it may be parked, and then only the store knows of its grant.
    await broker.settled(run.id);
    return store.isShared(own).catch(() => true);
  }

  #lookAgain(run: Run, wait_ms: number): void {
    // If it is not idle any more, what ends that looks at it.
    if (this.#closed || !this.#isHere(run) || !isIdle(run)) return;
    const again = () => {
      run.alarms.rang('stalled');
      void this.look(run, Math.min(2 * wait_ms, LONGEST_MS));
    };
    run.alarms.set('stalled', this.#options.clock.after(wait_ms, again));
  }

  #isHere(run: Run): boolean {
    return this.#options.runs.get(run.id) === run;
  }
}
