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
    for (const one of await this.#store.quarantines()) this.#standing.set(keyOf(one.kind, one.name, one.tenant), one);
  }

  list(): readonly Quarantine[] {
    return [...this.#standing.values()];
  }

  /** Puts one up. It stands at once, and durably when this resolves. */
  async put(quarantine: Quarantine): Promise<void> {
    this.#standing.set(keyOf(quarantine.kind, quarantine.name, quarantine.tenant), quarantine);
    await this.#store.putQuarantine(quarantine);
  }

  /**
   * Puts one up in memory, where a commit that is under way takes it along.
   * @returns false where one stands already
   */
  stand(quarantine: Quarantine): boolean {
    const key = keyOf(quarantine.kind, quarantine.name, quarantine.tenant);
    if (this.#standing.has(key)) return false;
    this.#standing.set(key, quarantine);
    return true;
  }

  /** It does not stand any more: it was lifted, or the commit that was to take it along was refused. */
  withdraw(quarantine: Quarantine): void {
    const key = keyOf(quarantine.kind, quarantine.name, quarantine.tenant);
    if (this.#standing.get(key) === quarantine) this.#standing.delete(key);
  }

  /**
   * @param tenant where it stands alone; undefined for one that stands in every tenant
   * @throws CORRAL_RUN_STATE when there is none
   */
  async lift(kind: QuarantineKind, name: string, by: string, at: number, tenant?: string): Promise<Quarantine> {
    const standing = this.#standing.get(keyOf(kind, name, tenant)) ?? this.#older(kind, name);
    if (standing === undefined) throw new CorralError('CORRAL_RUN_STATE', `There is no quarantine on ${kind} ${name}.`);
    await this.#store.liftQuarantine(kind, name, by, at, standing.tenant);
    // Somebody may have put up another one while this was written: that one stands.
    this.withdraw(standing);
    return standing;
  }

  /** @throws CORRAL_QUARANTINED where no run of a version is taken */
  mustNotStand(run: Pick<RunRecord, 'tenant' | 'agent'>, version: string): void {
    const stands = this.against(run, version);
    if (stands !== undefined)
      throw new CorralError('CORRAL_QUARANTINED', `${run.agent} is under quarantine since ${stands.by} put it there: ${stands.reason}.`);
  }

  /** What stands against a run, as a whole. @param version that it runs now */
  against({ tenant, agent }: Pick<RunRecord, 'tenant' | 'agent'>, version: string): Quarantine | undefined {
    if (this.#standing.size === 0) return undefined;
    return (
      this.#standing.get(keyOf('tenant', tenant)) ??
      this.#on('agent', tenant, agent) ??
      this.#standing.get(keyOf('version', version, tenant)) ??
      this.#standing.get(keyOf('version', version))
    );
  }

  tool(tenant: string, name: string): Quarantine | undefined {
    return this.#standing.size === 0 ? undefined : this.#on('tool', tenant, name);
  }

  #on(kind: 'agent' | 'tool', tenant: string, name: string): Quarantine | undefined {
    const full = `${tenant}/${name}`;
    return this.#standing.get(keyOf(kind, full, tenant)) ?? this.#older(kind, full);
  }

  /** Those on agents and tools once named their tenant only in their name. */
  #older(kind: QuarantineKind, name: string): Quarantine | undefined {
    return kind === 'version' ? undefined : this.#standing.get(keyOf(kind, name));
  }
}

const keyOf = (kind: QuarantineKind, name: string, tenant?: string) => JSON.stringify([kind, name, tenant ?? null]);
