/** The settings of each tenant that a configuration names, as the supervisor takes them. */
import type { ToolName } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { Inspector } from '@corral/protocol/ports/inspector';
import type { Tool } from '@corral/protocol/ports/tool';
import { PAUSED, type Isolation, type TenantOptions } from '@corral/supervisor';
import type { PolicyLoader } from './policies.ts';
import type { Config } from './schema.ts';

interface Made {
  readonly tenants: Readonly<Record<string, TenantOptions>>;
  /** Versions of the policies in force, by tenant. */
  readonly said: Readonly<Record<string, Json>>;
  /** Versions of the candidates beside them. */
  readonly beside: Readonly<Record<string, Json>>;
}

/** @throws CORRAL_CONFIG_INVALID, CORRAL_POLICY_INVALID */
export async function tenantsOf(
  config: Config,
  own: readonly Tool[],
  loader: PolicyLoader,
  more: {
    readonly withoutPolicies?: true;
    readonly isolation?: (tenant: string) => Isolation;
    readonly inspectors: readonly Inspector[];
  },
): Promise<Made> {
  const tenants: Record<string, TenantOptions> = {};
  const said: Record<string, Json> = {};
  const beside: Record<string, Json> = {};
  for (const [
    tenant,
    {
      tools: names,
      policies = config.policies,
      risk = config.risk,
      loops,
      residents,
      cells,
      spend,
      tool_limits,
      isolation,
      agents,
      ...most
    },
  ] of Object.entries(config.tenants)) {
    const offered = names.includes('*') ? own : own.filter((tool) => names.includes(tool.name as never));
    const policy = more.withoutPolicies === true ? undefined : await loader.load(policies, risk, offered, tenant);
    tenants[tenant] = {
      tools: offered,
      most: { ceilings: lower(config.ceilings, most.ceilings), budget: lower(config.budget, most.budget) },
      ...(policy === undefined ? {} : { policies: policy }),
      ...(more.inspectors.length === 0 ? {} : { inspectors: more.inspectors }),
      loops: loops ?? PAUSED,
      ...(residents === undefined ? {} : { residents }),
      ...(cells === undefined ? {} : { cells }),
      isolation: (agent) => agents?.[agent]?.isolation ?? isolation ?? more.isolation?.(tenant) ?? 'tenant',
      ...(spend === undefined ? {} : { spend }),
      ...limitsOf(config.tool_limits, tool_limits),
    };
    if (policy !== undefined) said[tenant] = policy.current.version;
    if (policy?.shadow !== undefined) beside[tenant] = policy.shadow.version;
  }
  return { tenants, said, beside };
}

/** The limits of a tool in a tenant; left out if there are none. */
function limitsOf(host: Config['tool_limits'], own: Config['tool_limits'] = {}): Pick<TenantOptions, 'limits'> {
  if (Object.keys(host).length === 0 && Object.keys(own).length === 0) return {};
  return {
    limits: (tool) => {
      const both = { own: own[tool as ToolName], host: host[tool as ToolName] };
      return both.own === undefined && both.host === undefined ? undefined : both;
    },
  };
}

/** The lower of each amount; where only one side has an amount, that one. */
function lower<T extends Readonly<Record<string, number | undefined>>>(host: T, own: T = {} as T): T {
  const lowest = { ...host, ...own };
  for (const name of Object.keys(host) as (keyof T)[]) {
    const [a, b] = [host[name], own[name]];
    if (a !== undefined && b !== undefined && a < b) lowest[name] = a as T[keyof T];
  }
  return lowest;
}
