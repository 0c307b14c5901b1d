/** Planted bugs of purses, of accounts above runs, and of grants that can be used up. */
import type { Edit } from './planted-fleet.ts';

export const MONEY_BUGS: Readonly<Record<string, readonly Edit[]>> = {
  /** The amount that a payment moves is not reserved in the purse. */
  'pay-for-nothing': [{ file: 'broker/src/accounts/price.ts', piece: '* attempts + moves;', becomes: '* attempts;' }],
  /** Reservations in the accounts remain when their run ends. */
  'keep-reserved': [
    { file: 'broker/src/commit/commits.ts', piece: 'if (ending) closeTally(', becomes: 'if (ending && Date.now() < 0) closeTally(' },
  ],
  /** Accounts record reservations, but not what was spent. */
  'spend-nothing': [
    { file: 'broker/src/accounts/tally.ts', piece: 'this.#add(day, spent, {}, 1);', becomes: 'this.#add(day, {}, {}, 1);' },
  ],
  /** A call that is approved on a later day is paid for on the day of the request. */
  'approve-on-old-day': [
    {
      file: 'supervisor/src/control/resolution.ts',
      piece: 'return day === undefined || day === call.day ? {} : { day };',
      becomes: 'return Date.now() < 0 && day !== undefined ? { day } : {};',
    },
  ],
  /** An approval does not check whether the accounts of its day can pay for the call. */
  'approve-unpaid': [
    { file: 'supervisor/src/control/resolution.ts', piece: 'accounts.mustPay(ledger, call.reserved, now, call.day);', becomes: '' },
  ],
  /** A payment of unknown result that is made again reserves nothing more in the purse. */
  'retry-for-nothing': [{ file: 'broker/src/accounts/spending.ts', piece: '(amount > 0 ? [[name', becomes: '(amount < 0 ? [[name' }],
  /** The check of a purse ignores reserved and spent amounts. */
  'spend-freely': [
    {
      file: 'policy/src/capability/purse.ts',
      piece: 'if ((amounts[name] ?? 0) > this.left(name)) return name;',
      becomes: 'if ((amounts[name] ?? 0) > this.granted[name]) return name;',
    },
  ],
  /** A grant can be used once more than its limit. */
  'one-more-use': [{ file: 'policy/src/capability/grants.ts', piece: 'node.used >= grant.uses', becomes: 'node.used > grant.uses' }],
  /** The results of a run are withheld although it has bytes left. */
  'withhold-early': [
    {
      file: 'supervisor/src/runs/queue.ts',
      piece: "|| purse.left('bytes') > 0) return result;",
      becomes: "|| purse.left('bytes') >= purse.granted.bytes) return result;",
    },
  ],
};
