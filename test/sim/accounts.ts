/** Checks the accounts above the runs, once a world has come to rest, against what the simulated outside world was paid. */
import { Tally } from '@corral/broker/accounts/tally';
import type { RunId } from '@corral/protocol/ids';
import { MICROS } from '@corral/protocol/limits';
import { dayOf, SPEND_NAMES, type Spend } from '@corral/protocol/model/spend';
import type { Supervisor } from '@corral/supervisor/supervisor';
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
    dayByDay(oracle, tenant);
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

/** The difference between what the host's memory and the store say is left of today's limits; 0 once everything is stored. */
export function heldBack(oracle: Oracle, { accounts }: Supervisor, now: number): number {
  const day = dayOf(now);
  let held = 0;
  for (const tenant of TENANTS) {
    const known = [...oracle.runs.values()].find(({ record }) => record.tenant === tenant);
    if (known === undefined || !Number.isFinite(oracle.mostADay)) continue;
    const rows = oracle.core.spend({ from: day }).filter((row) => row.tenant === tenant && row.kind === 'tenant' && row.day === day);
    let left = oracle.mostADay;
    for (const { spent, reserved } of rows) left -= spent.money_micros + reserved.money_micros;
    held += Math.abs(left - accounts.left({ record: known.record, tally: new Tally() }, 'money_micros', now));
  }
  return held;
}

/**
 * Checks each day: the account has what was paid, and never more than its limit. A call is paid for on the day on which it was decided or
 * approved.
 */
function dayByDay(oracle: Oracle, tenant: string): void {
  const { core, powers, runs, mostADay } = oracle;
  const paid = new Map<string, number>();
  for (const [key, amount] of powers.movedOn) {
    const [run, day] = key.split(' ') as [RunId, string];
    if (runs.get(run)?.record.tenant === tenant) paid.set(day, (paid.get(day) ?? 0) + amount * MICROS);
  }
  const rows = core.spend({ from: '0' }).filter((row) => row.tenant === tenant && row.kind === 'tenant');
  const committed = new Map(rows.map(({ day, spent, reserved }) => [day, spent.money_micros + reserved.money_micros]));
  for (const [day, amount] of paid)
    if ((committed.get(day) ?? 0) < amount)
      oracle.broken(`10: the account of ${tenant} has ${committed.get(day) ?? 0} for ${day}, and ${amount} were paid of that day`);
  for (const [day, amount] of committed)
    if (amount > mostADay) oracle.broken(`10: the account of ${tenant} has ${amount} for ${day}, and ${mostADay} may be spent a day`);
}
