/**
 * The past use of tools by agents, over all of their runs: the tools that a version has used, the destinations to which an agent has sent
 * something, the largest amount of money that it has moved. It is stored, because a restart must not forget it. It is bounded: the oldest
 * facts are evicted first.
 */
import { argumentAt } from '@corral/policy/capability/predicate';
import type { Json } from '@corral/protocol/json';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Store } from '@corral/protocol/ports/store';
import type { Tool } from '@corral/protocol/ports/tool';
import type { History } from '@corral/broker/policies/port';

/** Number of facts in memory. */
const REMEMBERED = 100_000;

export class UsageHistory implements History {
  readonly #store: Pick<Store, 'seen' | 'noteSeen'> | undefined;
  readonly #facts = new Map<string, number>();

  /** @param store that keeps the facts; without it they are only in memory, as for a re-evaluation of recorded runs */
  constructor(store?: Pick<Store, 'seen' | 'noteSeen'>) {
    this.#store = store;
  }

  /** Reads the facts from the store. */
  async load(): Promise<void> {
    for (const { fact, value } of (await this.#store?.seen(REMEMBERED)) ?? []) this.#facts.set(fact, value);
  }

  used(tenant: string, version: string, tool: string): boolean {
    return this.#facts.has(usedFact(tenant, version, tool));
  }

  reached(tenant: string, agent: string, destination: string): boolean {
    return this.#facts.has(reachedFact(tenant, agent, destination));
  }

  moved(tenant: string, agent: string): number {
    return this.#facts.get(movedFact(tenant, agent)) ?? 0;
  }

  note({ tenant, agent }: RunRecord, version: string, tool: Tool, input: Json): void {
    const { destinations = [], money } = tool.annotations;
    this.#add(usedFact(tenant, version, tool.name), 0);
    for (const name of destinations) {
      for (const one of [argumentAt(input, name)].flat()) if (typeof one === 'string') this.#add(reachedFact(tenant, agent, one), 0);
    }
    const amount = money === undefined ? undefined : argumentAt(input, money);
    if (typeof amount === 'number' && amount > this.moved(tenant, agent)) this.#add(movedFact(tenant, agent), amount);
  }

  met(tenant: string, version: string, name: string): void {
    this.#add(usedFact(tenant, version, name), 0);
  }

  #add(fact: string, value: number): void {
    if (this.#facts.get(fact) === value) return;
    if (this.#facts.size >= REMEMBERED) {
      const [oldest] = this.#facts.keys();
      if (oldest !== undefined) this.#facts.delete(oldest);
    }
    this.#facts.set(fact, value);
    // If the write fails, a later call looks new, and people are asked once more than needed.
    this.#store?.noteSeen(fact, value).catch(() => undefined);
  }
}

const CHARS = 200;
/** Facts are kept per tenant: people of one tenant have accepted what the version did there, and those of another have not. */
const usedFact = (tenant: string, version: string, tool: string) => `used ${tenant} ${version} ${tool}`;
const reachedFact = (tenant: string, agent: string, destination: string) => `reached ${tenant} ${agent} ${destination.slice(0, CHARS)}`;
const movedFact = (tenant: string, agent: string) => `moved ${tenant} ${agent}`;
