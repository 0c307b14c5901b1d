/**
 * Quarantines: durable stops of an agent, one of its versions, a tenant or a tool. Every path honours them (submit, wake, spawn, message,
 * call) until a named person lifts them.
 */
import { CorralError } from '@corral/protocol/errors';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Quarantine, QuarantineKind } from '@corral/protocol/model/quarantine';
import type { Store } from '@corral/protocol/ports/store';

/**
 * A reason to keep a quarantine up. The same quarantine can have several: one for each commit that sets it and is not durable yet, and a
 * new one while the old ones are being lifted.
 */
interface Claim {
  readonly quarantine: Quarantine;
  durable: boolean;
  lifting: boolean;
}

export class Quarantines {
  readonly #store: Store;
  readonly #standing = new Map<string, Claim[]>();
  /** Counts what this host does to them. */
  #changes = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * Takes over what stands in the store, where other nodes put up and lift quarantines too.
   * @returns those that were not known here, and the number of those that stand no more
   */
  async follow(): Promise<{ readonly added: readonly Quarantine[]; readonly lifted: number }> {
    for (;;) {
      const change = this.#changes;
      const stored = await this.#store.quarantines();
      // This host has put one up or lifted one meanwhile, which the answer may contain or not.
      if (change !== this.#changes) continue;
      const found = new Set(stored.map(nameOf));
      const gone = [...this.#standing.values()].flat().filter((one) => one.durable && !one.lifting && !found.has(nameOf(one.quarantine)));
      for (const { quarantine } of gone) this.withdraw(quarantine);
      const known = new Set([...this.#standing.values()].flat().map(({ quarantine }) => nameOf(quarantine)));
      const added = stored.filter((one) => !known.has(nameOf(one)));
      for (const one of added) this.#claim(one, true);
      return { added, lifted: gone.length };
    }
  }

  /** All quarantines that stand; of several claims to one, the latest. */
  list(): readonly Quarantine[] {
    return [...this.#standing.values()].flatMap((claims) => claims.at(-1)?.quarantine ?? []);
  }

  /** Sets a quarantine. It takes effect at once, and is durable when this resolves. */
  async put(quarantine: Quarantine): Promise<void> {
    const claim = this.#claim(quarantine, false);
    await this.#store.putQuarantine(quarantine);
    claim.durable = true;
    this.#changes += 1;
  }

  /**
   * Sets a quarantine in memory; a commit that is under way makes it durable. As long as none of several commits is durable, each contains
   * the quarantine, because any of them may still be refused.
   * @returns false if the quarantine is durable already and not being lifted, so that the commit need not contain it
   */
  stand(quarantine: Quarantine): boolean {
    const claims = this.#standing.get(keyOf(quarantine.kind, quarantine.name, quarantine.tenant)) ?? [];
    if (claims.some(({ durable, lifting }) => durable && !lifting)) return false;
    this.#claim(quarantine, false);
    return true;
  }

  /** Called when the commit that contains the quarantine is durable. */
  settled(quarantine: Quarantine): void {
    const claim = this.#standing
      .get(keyOf(quarantine.kind, quarantine.name, quarantine.tenant))
      ?.find((one) => one.quarantine === quarantine);
    if (claim !== undefined) claim.durable = true;
    this.#changes += 1;
  }

  /** Called when the commit that contains the quarantine was refused. */
  withdraw(quarantine: Quarantine): void {
    this.#drop(keyOf(quarantine.kind, quarantine.name, quarantine.tenant), (claim) => claim.quarantine === quarantine);
  }

  /**
   * Lifts a quarantine. One that is set again while this is being written remains.
   * @param tenant in which it holds; undefined for one that holds in every tenant
   * @throws CORRAL_RUN_STATE if there is none
   */
  async lift(kind: QuarantineKind, name: string, by: string, at: number, tenant?: string): Promise<Quarantine> {
    const found = this.#on(kind, name, tenant) ?? this.#older(kind, name);
    if (found === undefined) throw new CorralError('CORRAL_RUN_STATE', `There is no quarantine on ${kind} ${name}.`);
    const key = keyOf(kind, name, found.tenant);
    const lifted = new Set(this.#standing.get(key));
    const mark = (lifting: boolean) => {
      for (const claim of lifted) claim.lifting = lifting;
      this.#changes += 1;
    };
    mark(true);
    // Another node may have put one up that this node has not learned of: that one stands.
    const until = Math.max(...[...lifted].map(({ quarantine }) => quarantine.at));
    try {
      await this.#store.liftQuarantine(kind, name, by, at, found.tenant, until);
    } catch (error) {
      mark(false);
      throw error;
    }
    this.#drop(key, (claim) => lifted.has(claim));
    this.#changes += 1;
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

  /** @throws CORRAL_QUARANTINED if a quarantine stops runs of this version */
  mustNotStand(run: Pick<RunRecord, 'tenant' | 'agent'>, version: string): void {
    const stands = this.against(run, version);
    if (stands !== undefined)
      throw new CorralError('CORRAL_QUARANTINED', `${run.agent} was put under quarantine by ${stands.by}: ${stands.reason}.`);
  }

  /** The quarantine that stops a run as a whole. @param version of the run at present */
  against({ tenant, agent }: Pick<RunRecord, 'tenant' | 'agent'>, version: string): Quarantine | undefined {
    if (this.#standing.size === 0) return undefined;
    return (
      this.#on('tenant', tenant) ??
      this.#within('agent', tenant, agent) ??
      this.#on('version', version, tenant) ??
      this.#on('version', version)
    );
  }

  /** The quarantine that stops calls of a tool. */
  tool(tenant: string, name: string): Quarantine | undefined {
    return this.#standing.size === 0 ? undefined : this.#within('tool', tenant, name);
  }

  #within(kind: 'agent' | 'tool', tenant: string, name: string): Quarantine | undefined {
    const full = `${tenant}/${name}`;
    return this.#on(kind, full, tenant) ?? this.#older(kind, full);
  }

  /** Older records of quarantines on agents and tools name their tenant only as a part of `name`. */
  #older(kind: QuarantineKind, name: string): Quarantine | undefined {
    return kind === 'version' ? undefined : this.#on(kind, name);
  }

  #on(kind: QuarantineKind, name: string, tenant?: string): Quarantine | undefined {
    return this.#standing.get(keyOf(kind, name, tenant))?.at(-1)?.quarantine;
  }
}

/** Tells one quarantine from another, also from an earlier one of the same thing. */
const nameOf = ({ kind, name, tenant, by, at }: Quarantine) => JSON.stringify([keyOf(kind, name, tenant), by, at]);
const keyOf = (kind: QuarantineKind, name: string, tenant?: string) => JSON.stringify([kind, name, tenant ?? null]);
