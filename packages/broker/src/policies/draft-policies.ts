/**
 * The history of agents with the additions of a crank that is being decided. Its later calls are decided with them; other runs see them
 * once the crank is adopted.
 */
import { argumentAt } from '@corral/policy/capability/predicate';
import type { Json } from '@corral/protocol/json';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Tool } from '@corral/protocol/ports/tool';
import type { Decided, History, Policies } from './port.ts';

/** All of it is of one run, and so of one tenant, agent and version. */
export class DraftHistory implements History {
  readonly #of: History;
  /** Tells what this is a draft of, in the order in which it came. */
  #told: ((of: History) => void)[] | undefined;
  #used: Set<string> | undefined;
  #reached: Set<string> | undefined;
  #moved = 0;

  constructor(of: History) {
    this.#of = of;
  }

  used(tenant: string, version: string, tool: string): boolean {
    return this.#used?.has(tool) === true || this.#of.used(tenant, version, tool);
  }

  reached(tenant: string, agent: string, destination: string): boolean {
    return this.#reached?.has(destination) === true || this.#of.reached(tenant, agent, destination);
  }

  moved(tenant: string, agent: string): number {
    return Math.max(this.#moved, this.#of.moved(tenant, agent));
  }

  note(record: RunRecord, version: string, tool: Tool, input: Json): void {
    (this.#told ??= []).push((of) => of.note(record, version, tool, input));
    const { destinations = [], money } = tool.annotations;
    (this.#used ??= new Set()).add(tool.name);
    for (const name of destinations)
      for (const one of [argumentAt(input, name)].flat()) if (typeof one === 'string') (this.#reached ??= new Set()).add(one);
    const amount = money === undefined ? undefined : argumentAt(input, money);
    if (typeof amount === 'number') this.#moved = Math.max(this.#moved, amount);
  }

  met(tenant: string, version: string, name: string): void {
    (this.#told ??= []).push((of) => of.met(tenant, version, name));
    (this.#used ??= new Set()).add(name);
  }

  adopt(): void {
    for (const tell of this.#told ?? []) tell(this.#of);
  }
}

/** The policies of a tenant, as one crank is decided by them. */
export class DraftPolicies implements Policies {
  readonly current: Policies['current'];
  readonly inspectors: Policies['inspectors'];
  readonly roles: Policies['roles'];
  readonly owner: Policies['owner'];
  readonly shadow: Policies['shadow'];
  readonly history: DraftHistory;
  readonly #of: Policies;
  /** Allows the policies to be closed, if they were replaced. */
  #letGo: (() => void) | undefined;
  /** Decisions for the candidate policies that run beside these. */
  #decided: Decided[] | undefined;

  constructor(of: Policies) {
    this.#of = of;
    this.current = of.current;
    this.inspectors = of.inspectors;
    this.roles = of.roles;
    this.owner = of.owner;
    this.history = new DraftHistory(of.history);
    this.shadow = of.shadow === undefined ? undefined : (decided) => void (this.#decided ??= []).push(decided);
  }

  /** Keeps the policies loaded until the draft is adopted or dropped. */
  wait(): void {
    this.#letGo ??= this.#of.keep?.();
  }

  adopt(): void {
    this.history.adopt();
    for (const one of this.#decided ?? []) this.#of.shadow?.(one);
    this.#letGo?.();
  }

  /** Forgets all of it. */
  drop(): void {
    this.#letGo?.();
  }
}
