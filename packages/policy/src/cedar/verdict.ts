/** From the answer of the policies to the verdict: Cedar's decision, failing closed, and the consequence of a denial. */
import { isMilder, severer, type Consequence } from './consequence.ts';
import type { LoadedPolicy, Reason } from './policy-set.ts';
import type { Answer } from './residual.ts';

export interface Verdict {
  readonly decision: 'allow' | 'deny';
  /** For a denial: the most severe of those that apply. `approval` only if a permit matches and there is no other obstacle. */
  readonly consequence?: Consequence;
  /** With `approval`: how many different people must approve. */
  readonly quorum?: number;
  /** The policies that match: the forbids of a denial, those that decided first; the permits of an allowance. Empty: no permit matches. */
  readonly reasons: readonly Reason[];
  /** How many of the last reasons match and did not decide: they ask for less than what was done. Absent: none. */
  readonly also?: number;
  /** Any error denies. */
  readonly errors: readonly VerdictError[];
  /** Version of the policies in force: `sha256:…`. */
  readonly policy_version: string;
}

export interface VerdictError {
  /** Absent: the fault is in the request itself, or in the engine. */
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
  // An approval overrides a forbid. It replaces neither a permit nor an answer that could not be computed.
  let consequence: Consequence = errors.length > 0 || permits.length === 0 ? 'deny' : 'approval';
  let quorum = 1;
  for (const forbid of forbids) {
    consequence = severer(consequence, forbid.consequence);
    quorum = Math.max(quorum, forbid.quorum);
  }
  const milder = forbids.filter((forbid) => isMilder(forbid.consequence, consequence));
  const deciding = milder.length === 0 ? forbids : forbids.filter((forbid) => !isMilder(forbid.consequence, consequence));
  return {
    decision: 'deny',
    consequence,
    ...(consequence === 'approval' ? { quorum } : {}),
    reasons: [...deciding, ...milder].map(reasonOf),
    ...(milder.length === 0 ? {} : { also: milder.length }),
    errors: errors.map(({ policy, message }) => ({ policy: policy.id, message })),
    policy_version: version,
  };
}

/** Names of the policies that match, those that decided first; and of those that did not decide, if there are any. */
export function rulesOf({ reasons, also = 0 }: Pick<Verdict, 'reasons' | 'also'>): { rules: string[]; also?: string[] } {
  const rules = reasons.map(({ policy }) => policy);
  return also === 0 ? { rules } : { rules, also: rules.slice(-also) };
}

/** The verdict where nothing needs a permit: allowed, unless a policy forbids it or fails. */
export function unlessForbidden(answer: Answer, version: string): Verdict {
  if (answer.forbids.length > 0 || answer.errors.length > 0) return verdictOf(answer, version);
  return { decision: 'allow', reasons: NONE, errors: NONE, policy_version: version };
}

/** A denial because the request could not be evaluated. */
export function refusal(message: string, version: string): Verdict {
  return { decision: 'deny', consequence: 'deny', reasons: NONE, errors: [{ message }], policy_version: version };
}

/** The verdict of a call that people have approved: allowed if approval was the only obstacle. */
export function approved(verdict: Verdict): Verdict {
  if (verdict.consequence !== 'approval') return verdict;
  const { reasons, quorum, policy_version } = verdict;
  return { decision: 'allow', reasons, errors: NONE, policy_version, ...(quorum === undefined ? {} : { quorum }) };
}
