/**
 * A purse: what a run may still spend. Amounts are granted once; they are reserved when an effect is decided and settled when its
 * cost is known, so that work under way never exceeds the grant (ARCHITECTURE.md, "Authority and budgets").
 */
import { BUDGET_NAMES, type BudgetName } from '@corral/protocol/limits';
import type { Budget } from '@corral/protocol/model/manifest';

export type Amounts = Record<BudgetName, number>;

const zero = (): Amounts => ({ cpu_ms: 0, calls: 0, messages: 0, bytes: 0, children: 0, tokens: 0, money_micros: 0 });

/** Below this share of what was granted, operators are told that a budget is low. */
const LOW_SHARE = 0.1;

export class Purse {
  readonly granted: Readonly<Amounts>;
  readonly #spent: Amounts;
  readonly #reserved: Amounts;

  /**
   * @param granted amounts; one that is left out is 0
   * @param of the purse that this is a copy of
   */
  constructor(granted: Budget, of?: Purse) {
    this.granted = of === undefined ? { ...zero(), ...granted } : of.granted;
    this.#spent = of === undefined ? zero() : { ...of.#spent };
    this.#reserved = of === undefined ? zero() : { ...of.#reserved };
  }

  /** Another one with the same in it. */
  copy(): Purse {
    return new Purse(this.granted, this);
  }

  left(name: BudgetName): number {
    return this.granted[name] - this.#spent[name] - this.#reserved[name];
  }

  spent(): Amounts {
    return { ...this.#spent };
  }

  reserved(): Amounts {
    return { ...this.#reserved };
  }

  /** Spent, or reserved for something that may still be spent. */
  committed(): Amounts {
    const amounts = zero();
    for (const name of BUDGET_NAMES) amounts[name] = this.#spent[name] + this.#reserved[name];
    return amounts;
  }

  /** Starts over with what had been spent; nothing is reserved. */
  restore(spent: Budget): void {
    for (const name of BUDGET_NAMES) {
      this.#spent[name] = spent[name] ?? 0;
      this.#reserved[name] = 0;
    }
  }

  /** The first amount that is not available, or undefined if all are. */
  lacks(amounts: Budget): BudgetName | undefined {
    for (const name of BUDGET_NAMES) if ((amounts[name] ?? 0) > this.left(name)) return name;
    return undefined;
  }

  reserve(amounts: Budget): void {
    for (const name of BUDGET_NAMES) this.#reserved[name] += amounts[name] ?? 0;
  }

  /** Ends a reservation with what was really spent of it. */
  settle(reserved: Budget, spent: Budget): void {
    for (const name of BUDGET_NAMES) {
      this.#reserved[name] -= reserved[name] ?? 0;
      this.#spent[name] += spent[name] ?? 0;
    }
  }

  /** Spends an amount that cannot be reserved, such as CPU time. The purse may become negative, which then ends the run. */
  spend(name: BudgetName, amount: number): void {
    this.#spent[name] += amount;
  }

  /** Whether little is left of an amount. One of a few units, such as a single call, is never low before it is used up. */
  isLow(): boolean {
    return BUDGET_NAMES.some((name) => {
      const little = this.granted[name] * LOW_SHARE;
      return little > 1 && this.left(name) < little;
    });
  }

  /** The share that is left of what was granted, for the amount of which the smallest share is left. */
  leftShare(): number {
    let least = 1;
    for (const name of BUDGET_NAMES) {
      if (this.granted[name] > 0) least = Math.min(least, this.left(name) / this.granted[name]);
    }
    return Math.max(0, least);
  }
}
