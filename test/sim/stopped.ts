/** What stands under quarantine in a simulated world, as people have their receipts for it: every path must honour it (DESIGN 2). */
import type { QuarantineKind } from '@corral/protocol/model/quarantine';

export class Stopped {
  /** What stands for certain, from the receipt to the request for lifting it. */
  readonly #standing = new Set<string>();
  /** How often each was put up or lifted: a receipt counts only if nothing was asked for since. */
  readonly #turns = new Map<string, number>();

  /** Somebody has asked for it. @returns what its receipt is to be reported with */
  asks(kind: QuarantineKind, name: string): number {
    return this.#turn(keyOf(kind, name));
  }

  /** Somebody has the receipt. */
  stands(kind: QuarantineKind, name: string, turn: number): void {
    const key = keyOf(kind, name);
    if (this.#turns.get(key) === turn) this.#standing.add(key);
  }

  lifts(kind: QuarantineKind, name: string): void {
    const key = keyOf(kind, name);
    this.#turn(key);
    this.#standing.delete(key);
  }

  /** What stands for certain against a run. */
  against({ tenant, agent }: { readonly tenant: string; readonly agent: string }): string | undefined {
    return [keyOf('tenant', tenant), keyOf('agent', `${tenant}/${agent}`)].find((key) => this.#standing.has(key));
  }

  /** Whether a tool of a tenant stands still for certain. */
  tool(tenant: string, name: string): boolean {
    return this.#standing.has(keyOf('tool', `${tenant}/${name}`));
  }

  /** Whether it was ever asked for: then it may stand, or have stood. */
  mayStand(kind: QuarantineKind, name: string): boolean {
    return this.#turns.has(keyOf(kind, name));
  }

  #turn(key: string): number {
    const turn = (this.#turns.get(key) ?? 0) + 1;
    this.#turns.set(key, turn);
    return turn;
  }
}

const keyOf = (kind: QuarantineKind, name: string) => `${kind} ${name}`;
