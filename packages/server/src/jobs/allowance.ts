/** Combines what a host and a tenant allow a run with what its agent declares and what its submitter asks for. */
import { amountText } from '@corral/protocol/model/cost';
import { CorralError } from '@corral/protocol/errors';
import type { TenantId } from '@corral/protocol/ids';
import { BUDGET_NAMES, CEILINGS, DEFAULT_BUDGET, DEFAULT_CEILINGS, type BudgetName, type CeilingName } from '@corral/protocol/limits';
import type { AgentManifest, Budget, CeilingsRequest } from '@corral/protocol/model/manifest';
import { isBelow } from '@corral/supervisor';
import type { Config } from '../config/schema.ts';

/**
 * The host's and the tenant's limits over the agent's own. `narrowed`: the submitter asks for less than these allow.
 * @throws CORRAL_REQUEST_INVALID
 */
export function allowedOf(
  config: Pick<Config, 'tenants' | 'ceilings' | 'budget'>,
  tenant: TenantId,
  { ceilings, budget }: Pick<AgentManifest, 'ceilings' | 'budget'>,
  job: { readonly ceilings?: CeilingsRequest; readonly budget?: Budget },
) {
  const own = config.tenants[tenant];
  const names = Object.keys(CEILINGS) as CeilingName[];
  const most = { ceilings: [config.ceilings, own?.ceilings ?? {}], budget: [config.budget, own?.budget ?? {}] };
  const ofAgent = { ceilings: { ...DEFAULT_CEILINGS, ...ceilings }, budget: { ...DEFAULT_BUDGET, ...budget } };
  const ceilingsOf = (asked: CeilingsRequest) => allowed('ceilings', names, asked, ofAgent.ceilings, most.ceilings, tenant);
  const budgetOf = (asked: Budget) => allowed('budget', BUDGET_NAMES, asked, ofAgent.budget, most.budget, tenant);
  return {
    ceilings: ceilingsOf(job.ceilings ?? {}),
    budget: budgetOf(job.budget ?? {}),
    narrowed:
      isBelow(job.ceilings ?? {}, { ...ofAgent.ceilings, ...ceilingsOf({}) }) ||
      isBelow(job.budget ?? {}, { ...ofAgent.budget, ...budgetOf({}) }),
  };
}

type Amounts<K extends string> = { readonly [N in K]?: number };

/**
 * An amount that the submitter asks for and that exceeds the limit is refused, never lowered; an amount that nobody asked for is
 * lowered to the limit.
 * @param most limits of the host and of the tenant
 * @param own what the agent declares, over the defaults
 * @throws CORRAL_REQUEST_INVALID
 */
function allowed<K extends string>(
  what: 'ceilings' | 'budget',
  names: readonly K[],
  asked: Amounts<K>,
  own: Amounts<K>,
  most: readonly Amounts<K>[],
  tenant: string,
): Amounts<K> {
  const result: { [N in K]?: number } = { ...asked };
  for (const name of names) {
    const limit = Math.min(...most.map((one) => one[name] ?? Infinity));
    if (limit === Infinity) continue;
    if ((asked[name] ?? 0) > limit) {
      const text = (amount: number) => (name === 'money_micros' ? `${amount} (${amountText(name as BudgetName, amount)})` : String(amount));
      throw new CorralError(
        'CORRAL_REQUEST_INVALID',
        `${what}.${name} is ${text(asked[name] ?? 0)}; this host allows ${tenant} at most ${text(limit)}.`,
      );
    }
    if (asked[name] === undefined) result[name] = Math.min(limit, own[name] ?? 0);
  }
  return result;
}
