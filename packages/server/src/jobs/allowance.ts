/** Combines what a host and a tenant allow a run with what its agent declares and what its submitter asks for. */
import { amountText } from '@corral/protocol/model/cost';
import { CorralError } from '@corral/protocol/errors';
import type { BudgetName } from '@corral/protocol/limits';

type Amounts<K extends string> = { readonly [N in K]?: number };

/**
 * An amount that the submitter asks for and that exceeds the limit is refused, never lowered; an amount that nobody asked for is
 * lowered to the limit.
 * @param most limits of the host and of the tenant
 * @param own what the agent declares, over the defaults
 * @throws CORRAL_REQUEST_INVALID
 */
export function allowed<K extends string>(
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
