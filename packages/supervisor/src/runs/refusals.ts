/**
 * Runs of which the store has refused a commit. Their state in memory is no longer valid; the durable state is, and an end that was decided
 * here holds when the run comes back from there.
 */
import type { Accounts } from '@corral/broker/accounts/accounts';
import type { Broker } from '@corral/broker/broker';
import type { Grants } from '@corral/policy/capability/grants';
import { CorralError, type ErrorCode } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import { boundedOutcome, type Outcome } from '@corral/protocol/model/outcome';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Store } from '@corral/protocol/ports/store';
import type { PendingDelivery } from '@corral/protocol/wire/delivery';
import type { Scheduler } from '../cells/scheduler.ts';
import type { Loops } from '../detection/loops.ts';
import type { Transitions } from '../events/transitions.ts';
import type { Ends } from './ends.ts';
import type { Membership } from './membership.ts';
import type { RunTable } from './places.ts';
import { letGo } from './queue.ts';
import type { Residency } from './residency.ts';
import { retry } from './retry.ts';
import type { Run } from './run.ts';
import { keepAnswers } from './taken-up.ts';

/** Errors that mean that another node holds the run now, or may hold it. */
const ELSEWHERE: ReadonlySet<ErrorCode> = new Set(['CORRAL_EPOCH_STALE', 'CORRAL_LEASE_LOST']);

export interface RefusalsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly broker: Broker;
  readonly grants: Grants;
  readonly accounts: Pick<Accounts, 'follow'>;
  readonly runs: RunTable;
  readonly scheduler: Scheduler;
  readonly residency: Residency;
  readonly ends: Ends;
  readonly membership: Membership;
  readonly loops: Loops;
  readonly transitions: Transitions;
  /** Gives a run in memory a delivery that only this host has. */
  readonly deliver: (run: RunId, delivery: PendingDelivery) => void;
}

/** An end that holds whenever its run comes back. */
export interface Fence {
  readonly outcome: Outcome;
  readonly revoke: boolean;
}

export class Refusals {
  readonly #options: RefusalsOptions;
  /** Fences of runs that have ended here while their end is not durable. */
  readonly #fences = new Map<RunId, Fence>();
  /** Runs that were ended because the store had refused a commit of theirs; a second refusal quarantines them. */
  readonly #endedInStore = new Set<RunId>();
  #closed = false;

  constructor(options: RefusalsOptions) {
    this.#options = options;
    const { transitions, membership } = options;
    transitions.bus.refused.listen((id, epoch, error) => this.#refused(id, epoch, error));
    transitions.residency.onTaken.listen((run) => this.#refused(run.id, run.epoch, takenError(run.id)));
    membership.lost.listen(() => this.#dropAll());
  }

  /** A run ends here; until that is durable, it is ended again whenever it is brought back. */
  fence(id: RunId, fence: Fence): void {
    this.#fences.set(id, fence);
  }

  /** A run does not end here after all. */
  unfence(id: RunId, fence: Fence): void {
    if (this.#fences.get(id) === fence) this.#fences.delete(id);
  }

  /** The fence of a run that was brought back; undefined if there is none, or if it no longer holds. */
  fenceOf(run: Run): Fence | undefined {
    const fence = this.#fences.get(run.id);
    if (fence !== undefined && !this.#isUndone(run, fence.outcome)) return fence;
    this.#fences.delete(run.id);
    return undefined;
  }

  /** The end of a run is durable. */
  ended(id: RunId): void {
    this.#fences.delete(id);
    this.#endedInStore.delete(id);
  }

  /** The host stops: nothing is brought back any more. */
  close(): void {
    this.#closed = true;
  }

  /** Whether an end by wall time no longer holds: the store refused it, and by the journal, which the run goes on from, time is left. */
  #isUndone(run: Run, outcome: Outcome): boolean {
    const isWall = outcome.kind === 'exceeded' && outcome.limit === 'wall';
    return isWall && run.wallLeft_ms(this.#options.clock.monotonic()) > 0;
  }

  /**
   * Called when the store has refused a commit of a run: its state in memory is no longer valid and is dropped. The durable state is, so if
   * the disk was full, the run goes on from there once there is space.
   */
  #refused(id: RunId, epoch: number, error: CorralError): void {
    const { store, runs, clock, residency, accounts } = this.#options;
    const run = runs.get(id);
    if (run === undefined || run.epoch !== epoch) return;
    this.#drop(run, error);
    if (this.#closed || error.code === 'CORRAL_STOPPING') return;
    // This node may have claimed it again meanwhile. If another node holds it, the claim is refused.
    if (error.code === 'CORRAL_EPOCH_STALE') void residency.hold(id).catch(() => undefined);
    if (ELSEWHERE.has(error.code)) return;
    if (error.retryable || error.code === 'CORRAL_DATA_UNUSABLE')
      retry(
        clock,
        () => this.#closed,
        async () => {
          // Read before its crank is decided again, or the store would refuse that as well.
          if (error.code === 'CORRAL_SPENT_ELSEWHERE') await accounts.follow(store, clock.now(), run.tenant);
          await residency.hold(id);
        },
      );
    else void this.#endInStore(run, error);
  }

  /** Removes a run from memory, and drops its calls under way. */
  #drop(run: Run, error: CorralError): void {
    const { runs, broker, grants, ends } = this.#options;
    run.alarms.callOffAll();
    // Answers of calls that no durable crank has got: the run gets them again when it is back.
    keepAnswers(broker, [run]);
    const dropped = run.behind.drop();
    broker.dropCalls(run.ledger);
    if (run.outcome === undefined) run.end({ kind: 'failed', code: error.code, message: error.message });
    for (const grant of run.queue.drop()) grants.release(grant);
    letGo(grants, run, dropped, this.#options.scheduler.leave(run));
    runs.delete(run.id);
    for (const grant of run.ledger.caps.values()) grants.release(grant);
    this.#options.transitions.observers.tell({ kind: 'refused', run: run.id, error });
    run.behind.drain();
    // Another node may take it before this one has it back.
    if (this.#options.membership.isFleet) ends.follow(run.id);
    if (!ELSEWHERE.has(error.code)) return;
    // The run goes on at another node, so its end has to be looked up in the store.
    broker.answers.forget(run.id);
    this.#options.loops.parked(run.id);
    ends.follow(run.id);
  }

  /** Drops all runs, because this node has lost its lease and other nodes may hold them. */
  #dropAll(): void {
    const error = new CorralError('CORRAL_LEASE_LOST', 'This node was silent for longer than its lease.');
    for (const run of this.#options.runs.values()) this.#drop(run, error);
  }

  /**
   * Ends a run whose last commit can never be stored. It is brought back from the store and ended there, so that its end is durable and its
   * parent is informed. If even that fails, it is quarantined, and only this host informs its parent.
   */
  async #endInStore({ id, ledger }: Run, error: CorralError): Promise<void> {
    const { residency, store } = this.#options;
    const outcome = boundedOutcome({ kind: 'failed', code: error.code, message: error.message });
    const again = this.#endedInStore.has(id);
    this.#endedInStore.add(id);
    this.#fences.set(id, { outcome, revoke: true });
    // Bringing it back ends it at once, by its fence.
    const run = again ? undefined : await residency.hold(id).catch(() => undefined);
    if (run !== undefined) return;
    const stored = await store.run(id).catch(() => undefined);
    if (stored?.status.outcome !== undefined) return this.#options.ends.resolve(id, stored.status.outcome);
    await store.quarantine(id, error.message).catch(() => undefined);
    const { parent, budget } = ledger.record;
    if (parent !== undefined) this.#options.deliver(parent.run, { kind: 'child_ended', id: parent.id, run: id, outcome, spent: budget });
    this.#options.ends.resolve(id, outcome);
  }
}

const takenError = (id: RunId): CorralError => new CorralError('CORRAL_EPOCH_STALE', `Another node has taken ${id} from this one.`);
