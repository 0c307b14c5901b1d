/** The accounts above the run, when a world has come to rest: held against what the outside world was really paid. */
import { MICROS } from '@corral/protocol/limits';
import { SPEND_NAMES, type Spend } from '@corral/protocol/spend';
import type { Oracle } from './oracle.ts';
import { TENANTS } from './setup.ts';

export function accountsHold(oracle: Oracle): void {
  const rows = oracle.core.spend({ from: '0' });
  for (const { tenant, kind, name, day, spent, reserved } of rows)
    for (const amount of SPEND_NAMES)
      if (spent[amount] < 0 || reserved[amount] < 0)
        oracle.broken(`10: ${kind} ${name} of ${tenant} has spent ${spent[amount]} and reserved ${reserved[amount]} ${amount} on ${day}`);
  for (const tenant of TENANTS) {
    const runs = [...oracle.runs.values()].filter(({ record }) => record.tenant === tenant);
    const sum = (kind: string, of: (row: { readonly spent: Spend; readonly reserved: Spend }) => number) =>
      rows.filter((row) => row.tenant === tenant && row.kind === kind).reduce((total, row) => total + of(row), 0);
    let moved = 0;
    for (const { record } of runs) moved += (oracle.powers.moved.get(record.id) ?? 0) * MICROS;
    const committed = sum('tenant', ({ spent, reserved }) => spent.money_micros + reserved.money_micros);
    if (committed < moved) oracle.broken(`10: the account of ${tenant} has ${committed}, and ${moved} were paid`);
    const over = runs.every(({ outcome }) => outcome !== undefined);
    for (const amount of SPEND_NAMES) {
      const reserved = sum('tenant', (row) => row.reserved[amount]);
      if (over && reserved !== 0) oracle.broken(`10: no run of ${tenant} lives, and ${reserved} ${amount} are reserved`);
      for (const kind of ['agent', 'person'])
        if (sum(kind, (row) => row.spent[amount]) !== sum('tenant', (row) => row.spent[amount]))
          oracle.broken(`10: the accounts of each ${kind} of ${tenant} have not spent the ${amount} of the tenant’s`);
    }
  }
}
