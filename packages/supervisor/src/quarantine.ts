/**
 * Durable stops: on an agent, one version of it, a tenant or a tool. Every path honours them (submit, wake, spawn, message,
 * call) until a named person lifts them (DESIGN 2).
 */
import { CorralError } from '@corral/protocol/errors';
import type { RunRecord } from '@corral/protocol/run';
import type { Quarantine, QuarantineKind, Store } from '@corral/protocol/store';

export class Quarantines {
  readonly #store: Store;
  readonly #standing = new Map<string, Quarantine>();

  constructor(store: Store) {
    this.#store = store;
  }

  async load(): Promise<void> {
    for (const one of await this.#store.quarantines()) this.#standing.set(keyOf(one.kind, one.name), one);
  }

  list(): readonly Quarantine[] {
    return [...this.#standing.values()];
  }

  /** Puts one up. It stands at once, and durably when this resolves. */
  async put(quarantine: Quarantine): Promise<void> {
    this.#standing.set(keyOf(quarantine.kind, quarantine.name), quarantine);
    await this.#store.putQuarantine(quarantine);
  }

  /** @throws CORRAL_RUN_STATE when there is none */
  async lift(kind: QuarantineKind, name: string, by: string, at: number): Promise<Quarantine> {
    const key = keyOf(kind, name);
    const standing = this.#standing.get(key);
    if (standing === undefined) throw new CorralError('CORRAL_RUN_STATE', `There is no quarantine on ${kind} ${name}.`);
    await this.#store.liftQuarantine(kind, name, by, at);
    this.#standing.delete(key);
    return standing;
  }

  /** What stands against a run, as a whole. @param version that it runs now */
  against({ tenant, agent }: Pick<RunRecord, 'tenant' | 'agent'>, version: string): Quarantine | undefined {
    if (this.#standing.size === 0) return undefined;
    return (
      this.#standing.get(keyOf('tenant', tenant)) ??
      this.#standing.get(keyOf('agent', `${tenant}/${agent}`)) ??
      this.#standing.get(keyOf('version', version))
    );
  }

  tool(tenant: string, name: string): Quarantine | undefined {
    return this.#standing.size === 0 ? undefined : this.#standing.get(keyOf('tool', `${tenant}/${name}`));
  }
}

const keyOf = (kind: QuarantineKind, name: string) => `${kind} ${name}`;
