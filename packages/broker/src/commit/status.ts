/** The state of a run as its commits write it down: lifecycle, control, and what it waits on. */
import type { Outcome } from '@corral/protocol/model/outcome';
import type { RunStatus } from '@corral/protocol/model/run';
import type { BusRun } from '../bus.ts';

export function statusOf(run: BusRun, outcome: Outcome | undefined, now: number): RunStatus {
  return {
    lifecycle: outcome === undefined ? 'active' : 'ended',
    control: run.control,
    waiting: outcome === undefined ? run.ledger.waitingOn() : 'nothing',
    outcome,
    ended_at: outcome === undefined ? undefined : now,
  };
}
