/**
 * What agents were seen to do before, in any run: which tools a version has used, where an agent has sent something, how much
 * it moved at most. Kept in the store, since it must not be forgotten with a restart; bounded, the oldest going first.
 */
import type { History } from '@corral/broker/policies/evaluate';
import { argumentAt } from '@corral/policy/capability/predicate';
import type { Json } from '@corral/protocol/json';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Store } from '@corral/protocol/ports/store';
import type { Tool } from '@corral/protocol/ports/tool';

/** Facts that are remembered. */
const REMEMBERED = 100_000;

export class Seen implements History {
  readonly #store: Store;
  readonly #facts = new Map<string, number>();

  constructor(store: Store) {
    this.#store = store;
  }

  async load(): Promise<void> {
    for (const { fact, value } of await this.#store.seen(REMEMBERED)) this.#facts.set(fact, value);
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
    // A fact that is lost makes the next call look new, which asks once more than needed.
    this.#store.noteSeen(fact, value).catch(() => undefined);
  }
}

const CHARS = 200;
/** What a version did in one tenant says nothing about it in another, where other people looked at it. */
const usedFact = (tenant: string, version: string, tool: string) => `used ${tenant} ${version} ${tool}`;
const reachedFact = (tenant: string, agent: string, destination: string) => `reached ${tenant} ${agent} ${destination.slice(0, CHARS)}`;
const movedFact = (tenant: string, agent: string) => `moved ${tenant} ${agent}`;
