/** The status of a run that a commit writes: lifecycle, control, and what the run waits on. */
import type { Names } from '@corral/protocol/model/label';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { RunStatus } from '@corral/protocol/model/run';
import type { BusRun } from '../bus.ts';

/** @param private_to the people whose private data the outcome may hold */
export function statusOf(run: BusRun, outcome: Outcome | undefined, now: number, private_to: Names | undefined): RunStatus {
  return {
    lifecycle: outcome === undefined ? 'active' : 'ended',
    control: run.control,
    waiting: outcome === undefined ? run.ledger.waitingOn() : 'nothing',
    outcome,
    ended_at: outcome === undefined ? undefined : now,
    ...(outcome === undefined || private_to === undefined ? {} : { private_to }),
  };
}
