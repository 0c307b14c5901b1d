/** What a host is told about each of its tenants. */
import type { PolicyInForce } from '@corral/policy/cedar/in-force';
import { DETECTORS } from '@corral/policy/detection/list';
import type { Budget, CeilingsRequest } from '@corral/protocol/model/manifest';
import type { Tool } from '@corral/protocol/ports/tool';
import type { SpendBounds } from '@corral/broker/accounts/accounts';
import type { BothLimits } from '@corral/broker/dispatch/gates';
import type { TenantId } from '@corral/protocol/ids';
import type { RunTable } from './runs/places.ts';
import type { ReplayCpu } from './cells/usage.ts';
import type { LoopOptions } from './detection/watching.ts';

/** Policies that can be swapped while calls are decided: asked for anew at each decision. */
export interface PolicySource {
  readonly current: PolicyInForce;
  readonly roles?: (principal: string) => readonly string[];
  /** Who answers for an agent: policies know them as `principal.owner`, and `@approver("owner")` asks for them. */
  readonly owner?: ((agent: string) => string | undefined) | undefined;
  /** Whether anybody at all has a role. */
  readonly isNamed?: (role: string) => boolean;
  /** A candidate, which is asked as well and decides nothing. */
  readonly shadow?: PolicyInForce | undefined;
}

export interface TenantOptions {
  /** What its agents may be granted. */
  readonly tools: readonly Tool[];
  /** What decides about its agents' calls, besides their grants. */
  readonly policies?: PolicySource;
  /** What is done about loops and runaways; `false`: its runs are not watched, and its tools have no circuit breakers. */
  readonly loops?: LoopOptions | false;
  /** What it, its agents and its people may spend in a day and in a month. */
  readonly spend?: SpendBounds;
  /** How often it may call a tool, and how often all tenants together may. */
  readonly limits?: (tool: string) => BothLimits | undefined;
  /** Runs that it may have in memory at once; others wait in the store. */
  readonly residents?: number;
  /** Cells that it may hold at once. */
  readonly cells?: number;
  /** What an instance of one of its services, or a fork, may have at most, whatever is asked for. Jobs are bounded where they are submitted. */
  readonly most?: { readonly ceilings: CeilingsRequest; readonly budget: Budget };
}

/**
 * What holds where a tenant says nothing about loops: its runs are watched and told, and no more. To slow, pause and kill is a
 * policy, and somebody must have wanted it.
 */
const TOLD = { slow: null, pause: null, kill: null };
export const WATCHED: LoopOptions = { ladder: { detectors: Object.fromEntries(DETECTORS.map((name) => [name, TOLD])) } };

/** What each tenant may have of this host, by its configuration of now. A new one is swapped in as a whole. */
export class Tenants {
  #all: Readonly<Record<string, TenantOptions>> = {};
  readonly #tools = new Map<string, Map<string, Tool>>();

  configure(tenants: Readonly<Record<string, TenantOptions>>): void {
    this.#all = tenants;
    this.#tools.clear();
    for (const [tenant, { tools }] of Object.entries(tenants)) this.#tools.set(tenant, new Map(tools.map((tool) => [tool.name, tool])));
  }

  of(tenant: string): TenantOptions | undefined {
    return this.#all[tenant];
  }

  tool(tenant: string, name: string): Tool | undefined {
    return this.#tools.get(tenant)?.get(name);
  }

  /** What is done about its loops; undefined where nothing is. */
  loops(tenant: string): LoopOptions | undefined {
    const loops = this.of(tenant)?.loops;
    return loops === false ? undefined : (loops ?? WATCHED);
  }
}

/** What a tenant has of a host now. */
export interface TenantView {
  /** Runs in memory. */
  readonly residents: number;
  /** Of them, those that have something to do, and wait for a CPU or are on one. */
  readonly busy: number;
  readonly cells: number;
  /** CPU time spent on bringing its runs back by replay, since this host started. */
  readonly replay_cpu_ms: number;
}

export interface TenantSources {
  readonly runs: RunTable;
  readonly replayCpu: ReplayCpu;
  readonly cells: ReadonlyMap<TenantId, number>;
}

export function tenantView({ runs, replayCpu, cells }: TenantSources, tenant: TenantId): TenantView {
  let busy = 0;
  for (const run of runs.values()) if (run.tenant === tenant && (run.runnable || run.onCpu !== undefined)) busy += 1;
  return { residents: runs.of(tenant), busy, cells: cells.get(tenant) ?? 0, replay_cpu_ms: Math.round(replayCpu.of_ms(tenant)) };
}
