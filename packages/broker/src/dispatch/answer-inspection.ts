/**
 * Answers on their way to the agent, before they are delivered. One that a policy withholds is replaced by an error, so that it is in
 * no journal; its cost stays. The findings and the decision go with the result and are journaled with the crank that gets it, so that a replay
 * asks nobody.
 */
import { errorData, type ErrorCode } from '@corral/protocol/errors';
import type { Json } from '@corral/protocol/json';
import { targetText } from '@corral/protocol/ids';
import type { Result } from '@corral/protocol/wire/delivery';
import type { Verdict } from '@corral/policy/cedar/verdict';
import type { Ledger } from '../ledger/ledger.ts';
import type { PendingCall } from '../ledger/pending.ts';
import { actionOf } from '../policies/evaluate.ts';
import { judgePassing } from '../policies/evaluate-passing.ts';
import { whyDenied, type Looked } from '../policies/inspect.ts';
import type { Policies } from '../policies/port.ts';
import type { Said } from './inspections.ts';

/** The answer as its agent gets it, with the verdict if it has consequences. */
export interface Admitted {
  readonly result: Result;
  readonly denied?: Verdict;
}

/** The value that inspectors look at; undefined for an error in the host's own words. */
export const inspectedOf = (result: Result): Json | undefined =>
  'value' in result ? result.value : TOOLS_OWN.has(result.error.code) ? { error: result.error.message } : undefined;
const TOOLS_OWN: ReadonlySet<string> = new Set<ErrorCode>(['CORRAL_TOOL_FAILED', 'CORRAL_UNKNOWN_RESULT']);

/**
 * Decides whether an answer is delivered.
 * @param said what inspectors were asked for and said; undefined: nobody was asked yet
 * @returns the names of inspectors that have to be asked first
 */
export function admit(
  policies: Policies,
  ledger: Ledger,
  call: PendingCall,
  result: Result,
  now: number,
  said?: Said,
): Admitted | { readonly asks: Looked } {
  const value = inspectedOf(result);
  if (value === undefined || result.inspected !== undefined) return { result };
  const action = actionOf(call.tool, 'answer') as Parameters<typeof judgePassing>[2];
  const judged = judgePassing(policies, ledger, action, value, now, said?.inspected);
  if (judged === undefined) return { result };
  const { verdict, looked } = judged;
  if (verdict === undefined) return { asks: looked };
  const { decision, policy_version: policy, reasons } = verdict;
  const rules = reasons.map((one) => one.policy);
  const { cost } = said ?? {};
  const inspected = { by: looked.inspected, verdict: decision, policy, rules, ...(cost === undefined ? {} : { cost }) };
  if (decision === 'allow') return { result: { ...result, inspected } };
  const vain = verdict.consequence === 'approval' ? '; nobody is asked about answers' : '';
  const message = `What ${targetText(call.tool)} answered was withheld ${whyDenied(verdict, looked)}${vain}.`;
  const { id, attempts, cost: paid } = result;
  const error = errorData('CORRAL_DENIED', message, { call: id });
  const kept = { ...(attempts === undefined ? {} : { attempts }), ...(paid === undefined ? {} : { cost: paid }) };
  return { result: { id, error, ...kept, inspected }, denied: verdict };
}
