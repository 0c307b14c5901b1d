/** How a run ends by what it did: went past a limit, or finished. */
import { ERRORS, isErrorCode, type ErrorCode } from '@corral/protocol/errors';
import { LIMIT_NAMES } from '@corral/protocol/limits';
import type { Outcome } from '@corral/protocol/outcome';
import { exceeded } from './decide/common.ts';
import type { Ledger } from './ledger.ts';
import { overcharged } from './spending.ts';

/** The ceiling or budget that the run is over by now, as its outcome. */
export function overrun(ledger: Ledger): Outcome | undefined {
  const { ceilings } = ledger.record;
  if (ledger.effects > ceilings.effects) return exceeded('effects', `The run made more than ${ceilings.effects} effects.`);
  if (ledger.logBytes > ceilings.log_bytes) return exceeded('log_bytes', `The run logged more than ${ceilings.log_bytes} bytes.`);
  if (ledger.journalBytes > ceilings.journal_bytes)
    return exceeded('journal_bytes', `The journal of the run is larger than ${ceilings.journal_bytes} bytes.`);
  if (ledger.purse.left('cpu_ms') < 0)
    return exceeded('cpu_total', `The run used more than its ${ledger.purse.granted.cpu_ms} ms of CPU time.`);
  return overcharged(ledger);
}

/** How a run ends that has finished: what the agent says of its own failure is believed only as far as the bus has seen it. */
export function finishOutcome(ledger: Ledger): Outcome | undefined {
  const { finished, cancelled } = ledger;
  if (finished === undefined) return undefined;
  const { error } = finished;
  // A run that was asked to stop and stopped was cancelled, whatever it threw on its way out.
  if (error !== undefined && cancelled !== undefined) return { kind: 'cancelled', by: cancelled.by, reason: cancelled.reason };
  if (error === undefined) return { kind: 'completed', output: (finished.output ?? null) as never };
  const limit = LIMIT_NAMES.find((name) => name === error.limit);
  if (error.code === 'CORRAL_BUDGET_EXCEEDED' && limit !== undefined && ledger.refusedFor.has(limit)) return exceeded(limit, error.message);
  const code: ErrorCode =
    isErrorCode(error.code) && ERRORS[error.code].audience === 'guest' && !HOSTS_OWN.has(error.code) ? error.code : 'CORRAL_AGENT_THREW';
  return {
    kind: 'failed',
    code,
    message: error.message.slice(0, 4000),
    ...(error.stack === undefined ? {} : { stack: error.stack.slice(0, 4000) }),
  };
}

/** Verdicts that only the host reaches; an agent that throws one of them has simply thrown. */
const HOSTS_OWN: ReadonlySet<string> = new Set<ErrorCode>([
  'CORRAL_CAP_FORGED',
  'CORRAL_EFFECT_INVALID',
  'CORRAL_STALLED',
  'CORRAL_UNHANDLED_REJECTION',
]);
