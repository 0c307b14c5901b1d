/** Settings of a host's tenants: what each may use, and what is decided and measured for it. */
import type { PolicyInForce } from '@corral/policy/cedar/in-force';
import { DETECTORS } from '@corral/policy/detection/list';
import type { Budget, CeilingsRequest } from '@corral/protocol/model/manifest';
import type { Inspector } from '@corral/protocol/ports/inspector';
import type { Tool } from '@corral/protocol/ports/tool';
import type { SpendBounds } from '@corral/broker/accounts/accounts';
import type { BothLimits } from '@corral/broker/dispatch/gates';
import type { TenantId } from '@corral/protocol/ids';
import type { RunTable } from './runs/places.ts';
import type { Isolation } from './cells/household.ts';
import type { ReplayCpu } from './cells/usage.ts';
import type { LoopOptions } from './detection/watching.ts';

/** Policies of a tenant. They can be swapped while calls are decided, so every decision reads `current` again. */
export interface PolicySource {
  readonly current: PolicyInForce;
  readonly roles?: (principal: string) => readonly string[];
  /** Owner of an agent: `principal.owner` in policies, and the approver that `@approver("owner")` requires. */
  readonly owner?: ((agent: string) => string | undefined) | undefined;
  /** Whether any person has this role. */
  readonly isNamed?: (role: string) => boolean;
  /** Candidate policies, which are evaluated too and decide nothing. */
  readonly shadow?: PolicyInForce | undefined;
}

export interface TenantOptions {
  /** Tools that its agents can be granted. */
  readonly tools: readonly Tool[];
  /** Policies that decide about its agents' calls, in addition to grants. */
  readonly policies?: PolicySource;
  /** Inspectors that its policies may ask. They are closed with the configuration that they belong to. */
  readonly inspectors?: readonly Inspector[];
  /** Measures against loops and runaways; `false`: its runs are not watched, and its tools have no circuit breakers. */
  readonly loops?: LoopOptions | false;
  /** Bounds on what the tenant, its agents and its people may spend in a day and in a month. */
  readonly spend?: SpendBounds;
  /** Rate limits of a tool, for this tenant and for all tenants together. */
  readonly limits?: (tool: string) => BothLimits | undefined;
  /** Maximum of its runs in memory; others wait in the store. */
  readonly residents?: number;
  /** Maximum of its cells. */
  readonly cells?: number;
  /** The runs that may share a cell with one of an agent; without it, all runs of the tenant may. */
  readonly isolation?: (agent: string) => Isolation;
  /** Maximum ceilings and budget of its service instances and forks. Jobs are bounded where they are submitted. */
  readonly most?: { readonly ceilings: CeilingsRequest; readonly budget: Budget };
}

/**
 * Default for tenants of an embedded host without settings about loops: runs are watched and get notices. Only a person who has configured
 * it, or a configuration file (PAUSED), has runs slowed, paused or killed. Probing is the exception: its run is paused.
 */
const TOLD = { slow: null, pause: null, kill: null };
export const WATCHED: LoopOptions = {
  ladder: { detectors: Object.fromEntries(DETECTORS.filter((name) => name !== 'probing').map((name) => [name, TOLD])) },
};

/** Default for tenants of a configuration that says nothing of loops: what goes wrong stands still until a person has looked at it. */
export const PAUSED: LoopOptions = { ladder: { detectors: Object.fromEntries(DETECTORS.map((name) => [name, { kill: null }])) } };

/** The present settings of each tenant. A new configuration replaces all of them at once. */
export class Tenants {
  #all: Readonly<Record<string, TenantOptions>> = {};
  readonly #tools = new Map<string, Map<string, Tool>>();

  get names(): readonly TenantId[] {
    return Object.keys(this.#all) as TenantId[];
  }

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

  /** Tools of a tenant by the source that agents name to ask for all of them: `mcp:crm`. */
  toolsFrom(tenant: string, source: string): readonly Tool[] {
    return (this.of(tenant)?.tools ?? []).filter((tool) => tool.server === source);
  }

  /** A tenant's options for loop detection; undefined if its runs are not watched. */
  loops(tenant: string): LoopOptions | undefined {
    const loops = this.of(tenant)?.loops;
    return loops === false ? undefined : (loops ?? WATCHED);
  }
}

/** Resources that a tenant uses on a host at present. */
export interface TenantView {
  /** Runs in memory. */
  readonly residents: number;
  /** Runs in memory that wait for a CPU or are on one. */
  readonly busy: number;
  readonly cells: number;
  /** CPU time of replays that brought its runs back, since this host started. */
  readonly replay_cpu_ms: number;
}

export interface TenantSources {
  readonly runs: RunTable;
  readonly replayCpu: ReplayCpu;
  readonly cells: ReadonlyMap<TenantId, number>;
}

export function tenantView({ runs, replayCpu, cells }: TenantSources, tenant: TenantId): TenantView {
  let busy = 0;
  for (const run of runs.values()) if (run.tenant === tenant && (run.runnable || run.isAtWork)) busy += 1;
  return { residents: runs.of(tenant), busy, cells: cells.get(tenant) ?? 0, replay_cpu_ms: Math.round(replayCpu.of_ms(tenant)) };
}
