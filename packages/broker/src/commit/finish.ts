/**
 * The end of a run that has finished by itself. Its outcome is for people and contains the values of handles in the output; its parent
 * gets handles instead.
 */
import { ERRORS, isErrorCode, type ErrorCode } from '@corral/protocol/errors';
import type { CarriedHandle } from '@corral/protocol/wire/handle';
import type { Json } from '@corral/protocol/json';
import { LIMIT_NAMES } from '@corral/protocol/limits';
import type { Outcome } from '@corral/protocol/model/outcome';
import { exceeded } from '../effects/common.ts';
import { carriedHandles, filled, slotted } from '../ledger/handles.ts';
import type { Ledger } from '../ledger/ledger.ts';

/** The outcome of a child for its parent, without the values behind the handles. */
export function handedBack({ finished }: Ledger, outcome: Outcome): Outcome {
  if (outcome.kind !== 'completed' || finished?.handles === undefined) return outcome;
  return { kind: 'completed', output: finished.output as Json };
}

/** The handles in that outcome. */
export function handlesBack({ finished, handles }: Ledger, outcome: Outcome): { readonly handles?: readonly CarriedHandle[] } {
  return outcome.kind !== 'completed' || finished === undefined ? {} : carriedHandles(slotted(handles, finished, ['output']), ['outcome']);
}

/** The outcome of a finished run. The error that the agent reports is believed only if the broker has seen its cause. */
export function finishOutcome(ledger: Ledger): Outcome | undefined {
  const { finished, cancelled } = ledger;
  if (finished === undefined) return undefined;
  const { error } = finished;
  // A run that was cancelled counts as cancelled, even if it threw while it ended.
  if (error !== undefined && cancelled !== undefined) return { kind: 'cancelled', by: cancelled.by, reason: cancelled.reason };
  if (error === undefined)
    return { kind: 'completed', output: filled((finished.output ?? null) as Json, slotted(ledger.handles, finished, ['output'])) };
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

/** Codes that only the host may use; an agent that throws one of them counts as CORRAL_AGENT_THREW. */
const HOSTS_OWN: ReadonlySet<string> = new Set<ErrorCode>([
  'CORRAL_CAP_FORGED',
  'CORRAL_EFFECT_INVALID',
  'CORRAL_STALLED',
  'CORRAL_UNHANDLED_REJECTION',
]);
