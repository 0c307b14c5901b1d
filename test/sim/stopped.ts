/** The quarantines of a simulated world, according to the operators' receipts: every path must honour them. */
import type { QuarantineKind } from '@corral/protocol/model/quarantine';

export class Stopped {
  /** Quarantines that are active for certain: from the receipt until lifting is requested. */
  readonly #standing = new Set<string>();
  /** Number of requests to put up or lift each quarantine. A receipt counts only if there was no request since its own. */
  readonly #turns = new Map<string, number>();

  /** A quarantine was requested. @returns the turn to report with its receipt */
  asks(kind: QuarantineKind, name: string): number {
    return this.#turn(keyOf(kind, name));
  }

  /** An operator has the receipt. */
  stands(kind: QuarantineKind, name: string, turn: number): void {
    const key = keyOf(kind, name);
    if (this.#turns.get(key) === turn) this.#standing.add(key);
  }

  lifts(kind: QuarantineKind, name: string): void {
    const key = keyOf(kind, name);
    this.#turn(key);
    this.#standing.delete(key);
  }

  /** The quarantine that stops a run for certain, if there is one. */
  against({ tenant, agent }: { readonly tenant: string; readonly agent: string }): string | undefined {
    return [keyOf('tenant', tenant), keyOf('agent', `${tenant}/${agent}`)].find((key) => this.#standing.has(key));
  }

  /** Whether a tool of a tenant is under quarantine for certain. */
  tool(tenant: string, name: string): boolean {
    return this.#standing.has(keyOf('tool', `${tenant}/${name}`));
  }

  /** Whether a quarantine was ever requested, so that it may be or may have been active. */
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
