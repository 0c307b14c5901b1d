/**
 * Durable stops: on an agent, one version of it, a tenant or a tool. Every path honours them (submit, wake, spawn, message,
 * call) until a named person lifts them (DESIGN 2).
 */
import { CorralError } from '@corral/protocol/errors';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Quarantine, QuarantineKind } from '@corral/protocol/model/quarantine';
import type { Store } from '@corral/protocol/ports/store';

/** One word for a quarantine. Several may stand for the same one: of cranks that are being written, and while one is lifted. */
interface Claim {
  readonly quarantine: Quarantine;
  durable: boolean;
  lifting: boolean;
}

export class Quarantines {
  readonly #store: Store;
  readonly #standing = new Map<string, Claim[]>();

  constructor(store: Store) {
    this.#store = store;
  }

  async load(): Promise<void> {
    for (const one of await this.#store.quarantines()) this.#claim(one, true);
  }

  /** The latest of each. */
  list(): readonly Quarantine[] {
    return [...this.#standing.values()].flatMap((claims) => claims.at(-1)?.quarantine ?? []);
  }

  /** Puts one up. It stands at once, and durably when this resolves. */
  async put(quarantine: Quarantine): Promise<void> {
    const claim = this.#claim(quarantine, false);
    await this.#store.putQuarantine(quarantine);
    claim.durable = true;
  }

  /**
   * Puts one up in memory, where a commit that is under way takes it along. Each commit takes its own, until one of them is durable:
   * another one may still be refused.
   * @returns false where one stands durably, and is not being lifted
   */
  stand(quarantine: Quarantine): boolean {
    const claims = this.#standing.get(keyOf(quarantine.kind, quarantine.name, quarantine.tenant)) ?? [];
    if (claims.some(({ durable, lifting }) => durable && !lifting)) return false;
    this.#claim(quarantine, false);
    return true;
  }

  /** The commit that took it along is durable. */
  settled(quarantine: Quarantine): void {
    const claim = this.#standing
      .get(keyOf(quarantine.kind, quarantine.name, quarantine.tenant))
      ?.find((one) => one.quarantine === quarantine);
    if (claim !== undefined) claim.durable = true;
  }

  /** The commit that was to take it along was refused. */
  withdraw(quarantine: Quarantine): void {
    this.#drop(keyOf(quarantine.kind, quarantine.name, quarantine.tenant), (claim) => claim.quarantine === quarantine);
  }

  /**
   * What is put up while this is written stands.
   * @param tenant where it stands alone; undefined for one that stands in every tenant
   * @throws CORRAL_RUN_STATE when there is none
   */
  async lift(kind: QuarantineKind, name: string, by: string, at: number, tenant?: string): Promise<Quarantine> {
    const found = this.#on(kind, name, tenant) ?? this.#older(kind, name);
    if (found === undefined) throw new CorralError('CORRAL_RUN_STATE', `There is no quarantine on ${kind} ${name}.`);
    const key = keyOf(kind, name, found.tenant);
    const lifted = new Set(this.#standing.get(key));
    const mark = (lifting: boolean) => {
      for (const claim of lifted) claim.lifting = lifting;
    };
    mark(true);
    try {
      await this.#store.liftQuarantine(kind, name, by, at, found.tenant);
    } catch (error) {
      mark(false);
      throw error;
    }
    this.#drop(key, (claim) => lifted.has(claim));
    return found;
  }

  #claim(quarantine: Quarantine, durable: boolean): Claim {
    const key = keyOf(quarantine.kind, quarantine.name, quarantine.tenant);
    const claim = { quarantine, durable, lifting: false };
    this.#standing.set(key, [...(this.#standing.get(key) ?? []), claim]);
    return claim;
  }

  #drop(key: string, which: (claim: Claim) => boolean): void {
    const left = (this.#standing.get(key) ?? []).filter((claim) => !which(claim));
    if (left.length > 0) this.#standing.set(key, left);
    else this.#standing.delete(key);
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
      this.#on('tenant', tenant) ??
      this.#within('agent', tenant, agent) ??
      this.#on('version', version, tenant) ??
      this.#on('version', version)
    );
  }

  tool(tenant: string, name: string): Quarantine | undefined {
    return this.#standing.size === 0 ? undefined : this.#within('tool', tenant, name);
  }

  #within(kind: 'agent' | 'tool', tenant: string, name: string): Quarantine | undefined {
    const full = `${tenant}/${name}`;
    return this.#on(kind, full, tenant) ?? this.#older(kind, full);
  }

  /** Those on agents and tools once named their tenant only in their name. */
  #older(kind: QuarantineKind, name: string): Quarantine | undefined {
    return kind === 'version' ? undefined : this.#on(kind, name);
  }

  #on(kind: QuarantineKind, name: string, tenant?: string): Quarantine | undefined {
    return this.#standing.get(keyOf(kind, name, tenant))?.at(-1)?.quarantine;
  }
}

const keyOf = (kind: QuarantineKind, name: string, tenant?: string) => JSON.stringify([kind, name, tenant ?? null]);
