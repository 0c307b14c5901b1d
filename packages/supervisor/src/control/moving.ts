/** Moves a run to another version of its agent on a living host, if it replays the same on that. */
import type { Broker } from '@corral/broker/broker';
import { CorralError } from '@corral/protocol/errors';
import type { AgentVersion } from '@corral/protocol/model/manifest';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Store } from '@corral/protocol/ports/store';
import type { Bundles } from '../admission/bundles.ts';
import type { Scheduler } from '../cells/scheduler.ts';
import { trialDifferenceText, type TrialOptions, type TrialResult } from '../offline/trial.ts';
import type { RunLifecycle } from '../runs/lifecycle.ts';
import type { Run } from '../runs/run.ts';
import { freedBy, movedTo } from './move-events.ts';
import { alive } from './run-turns.ts';

export interface MovingOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly broker: Broker;
  readonly scheduler: Scheduler;
  readonly lifecycle: RunLifecycle;
  readonly bundles: Bundles;
  /** Replays a journal in a borrowed cell. */
  readonly trial: (options: TrialOptions) => Promise<TrialResult>;
}

/** A run that keeps working may have gone on during its trial, which is then repeated; it can be paused where this does not suffice. */
const TRIALS = 3;

/**
 * To be called in the turn of the run. It has the new code from its next crank on, which follows a replay.
 * @throws CORRAL_RUN_STATE, CORRAL_AGENT_UNKNOWN, CORRAL_UPGRADE_DIFFERS
 */
export async function moveTo(options: MovingOptions, run: Run, version: AgentVersion, by: string): Promise<void> {
  const { bundles, scheduler, broker, clock, lifecycle } = options;
  const { id, ledger } = run;
  const moved = movedTo(ledger, version, by);
  const bundle = await bundles.load(version.bundle);
  bundle.agent(ledger.record.agent);
  for (let left = TRIALS; left > 0; left--) {
    const seq = await triedAt(options, run, bundle);
    const isMoved = await run.behind.enter(async () => {
      alive(id, run);
      if (ledger.seq !== seq || run.isAtWork) return false;
      scheduler.unseat(run);
      run.bundle = bundle;
      await broker.record(run, moved);
      return true;
    });
    if (!isMoved) continue;
    if (run.outcome === undefined && ledger.held === 'upgrade') {
      await broker.record(run, freedBy(by));
      run.tick(clock.monotonic());
      await run.behind.enter(async () => run.outcome === undefined && lifecycle.askAgain(run));
      lifecycle.goesOn(run);
    }
    return scheduler.wake(run);
  }
  throw new CorralError(
    'CORRAL_RUN_STATE',
    `${id} went on each time that it was tried on the other version; pause it, and upgrade it then.`,
  );
}

/** Replays what is needed to go on. @returns the last entry that was part of it @throws CORRAL_UPGRADE_DIFFERS */
async function triedAt(
  { store, broker, trial }: MovingOptions,
  { id, ledger }: Run,
  bundle: { digest: Run['bundle']['digest']; source: string },
) {
  await broker.settled(id);
  const { seq, record } = ledger;
  const checkpoint = ledger.checkpoint?.seq ?? 0;
  const entries = (await store.journal(id, checkpoint)).filter((entry) => entry.seq <= seq);
  const { difference } = await trial({ record, entries, checkpoint, bundle: { digest: bundle.digest, source: bundle.source } });
  if (difference !== undefined)
    throw new CorralError('CORRAL_UPGRADE_DIFFERS', `${id} would do something else on that version: ${trialDifferenceText(difference)}.`);
  return seq;
}
