/** From what the policies answer to what happens: Cedar's decision, made to fail closed, and what a denial means. */
import { severer, type Consequence } from './consequence.ts';
import type { LoadedPolicy, Reason } from './policy-set.ts';
import type { Answer } from './residual.ts';

export interface Verdict {
  readonly decision: 'allow' | 'deny';
  /** Of a denial: the most severe of those that apply. `approval` only where a permit matches and nothing else stands in the way. */
  readonly consequence?: Consequence;
  /** With `approval`: how many different people must approve. */
  readonly quorum?: number;
  /** The policies that decided: the forbids of a denial, the permits of an allowance. None: nothing permits it. */
  readonly reasons: readonly Reason[];
  /** Anything here denies. */
  readonly errors: readonly VerdictError[];
  /** Of the policies in force: `sha256:…`. */
  readonly policy_version: string;
}

export interface VerdictError {
  /** Absent: the request itself is at fault, or the engine. */
  readonly policy?: string;
  readonly message: string;
}

const NONE: readonly never[] = Object.freeze([]);
const reasonOf = (policy: LoadedPolicy) => policy.reason;

export function verdictOf(answer: Answer, version: string): Verdict {
  const { permits, forbids, errors } = answer;
  if (errors.length === 0) {
    if (forbids.length === 0 && permits.length > 0) {
      return { decision: 'allow', reasons: permits.map(reasonOf), errors: NONE, policy_version: version };
    }
    if (forbids.length === 0) return { decision: 'deny', consequence: 'deny', reasons: NONE, errors: NONE, policy_version: version };
  }
  // A person's approval lifts a forbid. It does not stand in for a permit, nor for an answer that could not be had.
  let consequence: Consequence = errors.length > 0 || permits.length === 0 ? 'deny' : 'approval';
  let quorum = 1;
  for (const forbid of forbids) {
    consequence = severer(consequence, forbid.consequence);
    quorum = Math.max(quorum, forbid.quorum);
  }
  return {
    decision: 'deny',
    consequence,
    ...(consequence === 'approval' ? { quorum } : {}),
    reasons: forbids.map(reasonOf),
    errors: errors.map(({ policy, message }) => ({ policy: policy.id, message })),
    policy_version: version,
  };
}

/** A denial because the question itself could not be put. */
export function refusal(message: string, version: string): Verdict {
  return { decision: 'deny', consequence: 'deny', reasons: NONE, errors: [{ message }], policy_version: version };
}

/** The verdict of a call that people have approved: what only approval stood in the way of is allowed. */
export function approved(verdict: Verdict): Verdict {
  if (verdict.consequence !== 'approval') return verdict;
  const { reasons, quorum, policy_version } = verdict;
  return { decision: 'allow', reasons, errors: NONE, policy_version, ...(quorum === undefined ? {} : { quorum }) };
}
