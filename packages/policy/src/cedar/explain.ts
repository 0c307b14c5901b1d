/** `policy why`: explains one decision, policy by policy. */
import type { PolicyRequest } from './request.ts';
import type { PolicyInForce } from './in-force.ts';
import type { Verdict } from './verdict.ts';

export interface Explained {
  readonly verdict: Verdict;
  /** Every policy that applied or failed, forbids first; the others are counted. */
  readonly policies: readonly ExplainedPolicy[];
  readonly silent: number;
}

export interface ExplainedPolicy {
  readonly policy: string;
  readonly effect: 'permit' | 'forbid';
  readonly description: string | undefined;
  readonly consequence: string | undefined;
  readonly file: string;
  readonly line: number;
  readonly result: 'applies' | 'failed';
  /** Set for a failure. */
  readonly message: string | undefined;
}

export function explain(policy: PolicyInForce, request: PolicyRequest): Explained {
  const verdict = policy.decide(request);
  let said: ReturnType<PolicyInForce['answer']>;
  try {
    said = policy.answer(request);
  } catch {
    // The verdict's own errors say why the policies could not be evaluated.
  }
  if (said === undefined) return { verdict, policies: [], silent: policy.policies.length };
  const { forbids, permits, errors } = said.answer;
  const failed = new Map(errors.map((error) => [error.policy, error.message]));
  const policies = [...forbids, ...permits, ...failed.keys()].map((one): ExplainedPolicy => ({
    policy: one.id,
    effect: one.effect,
    description: one.reason.annotations['description'],
    consequence: one.effect === 'forbid' ? one.consequence : undefined,
    file: one.source.file,
    line: one.source.line,
    result: failed.has(one) ? 'failed' : 'applies',
    message: failed.get(one),
  }));
  return { verdict, policies, silent: policy.policies.length - policies.length };
}

/** `deny (approval)`, and below it a line for each policy that applied. */
export function formatExplained({ verdict, policies, silent }: Explained): string {
  const lines = [verdictText(verdict)];
  for (const { message } of verdict.errors.filter(({ policy }) => policy === undefined)) lines.push(`  ${message}`);
  for (const one of policies) {
    const what = one.result === 'failed' ? `failed, which denies: ${one.message ?? ''}` : `${one.effect}s`;
    lines.push(`  ${one.policy} ${what}${one.description === undefined ? '' : ` — ${one.description}`} (${one.file}:${one.line})`);
  }
  if (verdict.decision === 'deny' && policies.length === 0 && verdict.errors.length === 0) lines.push('  nothing permits it');
  lines.push(`  ${silent} other ${silent === 1 ? 'policy' : 'policies'} did not apply`);
  return lines.join('\n');
}

/** Gives `allow`, `deny`, `deny (approval by 2)`. */
export function verdictText({ decision, consequence, quorum }: Verdict): string {
  if (consequence === undefined || consequence === 'deny') return decision;
  return `${decision} (${consequence}${quorum !== undefined && quorum > 1 ? ` by ${quorum}` : ''})`;
}
