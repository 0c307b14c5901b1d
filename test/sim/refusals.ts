/** Errors that a simulated host may give to those who ask something of it. */
import { CorralError, type ErrorCode } from '@corral/protocol/errors';

/** Errors that an operator may get. Any other is a fault of the host. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'CORRAL_RUN_UNKNOWN',
  'CORRAL_RUN_STATE',
  'CORRAL_DISK_FULL',
  'CORRAL_STOPPING',
  'CORRAL_CELL_START',
  'CORRAL_APPROVER',
  'CORRAL_QUARANTINED',
]);
/** Further errors where there are several hosts. */
const FLEET_REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'CORRAL_EPOCH_STALE',
  'CORRAL_RUN_HELD',
  'CORRAL_LEASE_LOST',
  'CORRAL_STARTING',
]);
interface Circumstances {
  readonly isFleet: boolean;
  /** A tenant may spend so much a day and no more. */
  readonly isBounded: boolean;
  readonly hostsLost: number;
}

/** @param what the command that was refused */
export function isExpected(error: unknown, what: string, { isFleet, isBounded, hostsLost }: Circumstances): boolean {
  if (!(error instanceof CorralError)) return false;
  if (error.message.includes('hosts in a row died') && hostsLost >= 3) return true;
  // A kill takes the run from the node that holds it.
  if (what.startsWith('kill ') && error.code === 'CORRAL_RUN_HELD') return false;
  return (
    REFUSALS.has(error.code) ||
    (isFleet && FLEET_REFUSALS.has(error.code)) ||
    (error.code === 'CORRAL_SPEND_EXCEEDED' && isBounded) ||
    (what.startsWith('answer wrongly') && error.code === 'CORRAL_ANSWER_INVALID') ||
    (what.startsWith('resolve retry') && error.code === 'CORRAL_BUDGET_EXCEEDED')
  );
}
