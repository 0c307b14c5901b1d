/**
 * How a run ends that has finished, and what it hands back. Its outcome is for people, and has the values of its handles in it; its
 * parent gets handles again.
 */
import { ERRORS, isErrorCode, type ErrorCode } from '@corral/protocol/errors';
import type { CarriedHandle } from '@corral/protocol/wire/handle';
import type { Json } from '@corral/protocol/json';
import { LIMIT_NAMES } from '@corral/protocol/limits';
import type { Outcome } from '@corral/protocol/model/outcome';
import { exceeded } from '../effects/common.ts';
import { carriedHandles, filled, slotted } from '../ledger/handles.ts';
import type { Ledger } from '../ledger/ledger.ts';

/** The end of a child as its parent hears of it: without what is behind the handles of its output. */
export function handedBack({ finished }: Ledger, outcome: Outcome): Outcome {
  if (outcome.kind !== 'completed' || finished?.handles === undefined) return outcome;
  return { kind: 'completed', output: finished.output as Json };
}

/** And the handles. */
export function handlesBack({ finished, handles }: Ledger, outcome: Outcome): { readonly handles?: readonly CarriedHandle[] } {
  return outcome.kind !== 'completed' || finished === undefined ? {} : carriedHandles(slotted(handles, finished, ['output']), ['outcome']);
}

/** How a run ends that has finished: what the agent says of its own failure is believed only as far as the bus has seen it. */
export function finishOutcome(ledger: Ledger): Outcome | undefined {
  const { finished, cancelled } = ledger;
  if (finished === undefined) return undefined;
  const { error } = finished;
  // A run that was asked to stop and stopped was cancelled, whatever it threw on its way out.
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

/** Verdicts that only the host reaches; an agent that throws one of them has simply thrown. */
const HOSTS_OWN: ReadonlySet<string> = new Set<ErrorCode>([
  'CORRAL_CAP_FORGED',
  'CORRAL_EFFECT_INVALID',
  'CORRAL_STALLED',
  'CORRAL_UNHANDLED_REJECTION',
]);
