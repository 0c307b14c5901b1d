/** What a host and a tenant allow a run, over what its agent says of itself and what its submitter asks for. */
import { amountText } from '@corral/protocol/cost';
import { CorralError } from '@corral/protocol/errors';
import type { BudgetName } from '@corral/protocol/limits';

type Amounts<K extends string> = { readonly [N in K]?: number };

/**
 * Asking for more than is allowed is refused rather than cut; what nobody asked for is cut.
 * @param most what the host allows, and what the tenant does
 * @param own what the agent says of itself, over the defaults
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
