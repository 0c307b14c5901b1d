/**
 * Which account a caller gets: a secret is bound to tenants, agents, roles or people, and a call reads it as the agent that makes the call,
 * for the person who submitted its run. So a tool that serves two agents has two accounts, whatever one agent is talked into.
 */
import type { ToolCall } from '@corral/protocol/ports/tool';
import type { Config } from './schema.ts';
import { refsOf, type Bound } from './secrets-schema.ts';
import type { Fault } from './whole.ts';

export type Caller = Pick<ToolCall, 'tenant' | 'agent' | 'person'>;

/** The roles of a person in a tenant. */
export type RolesOf = (tenant: string, person: string) => readonly string[];

const isBelow = (name: string, of: string): boolean => name === of || name.startsWith(`${of}/`);

export function isFor({ tenants, agents, roles, people }: Bound, { tenant, agent, person }: Caller, rolesOf: RolesOf): boolean {
  if (tenants !== undefined && !tenants.includes(tenant)) return false;
  if (agents !== undefined && !agents.some((one) => isBelow(agent, one))) return false;
  if (people !== undefined && !people.includes(person)) return false;
  if (roles === undefined) return true;
  const held = rolesOf(tenant, person);
  return roles.some((role) => held.includes(role));
}

/**
 * The account for a caller. One that is bound comes before one that is not, whatever their order.
 * @param caller undefined: the host itself, or code outside of calls, for which no account is bound
 */
export function accountFor<Ref extends { readonly for?: Bound }>(
  refs: readonly Ref[],
  caller: Caller | undefined,
  rolesOf: RolesOf,
): Ref | undefined {
  const own = caller && refs.find((ref) => ref.for !== undefined && isFor(ref.for, caller, rolesOf));
  return own ?? refs.find((ref) => ref.for === undefined);
}

/** The roles that a configuration gives to people, as its policies know them. */
export const rolesIn =
  ({ policies, tenants }: Pick<Config, 'policies' | 'tenants'>): RolesOf =>
  (tenant, person) => {
    const own: Config['tenants'][keyof Config['tenants']] | undefined = Object.hasOwn(tenants, tenant)
      ? tenants[tenant as never]
      : undefined;
    const said = own?.policies ?? policies;
    if (typeof said === 'string' || Array.isArray(said)) return [];
    const { roles } = said;
    return Object.hasOwn(roles, person) ? (roles[person] ?? []) : [];
  };

/** Bindings that would give a secret to others than are meant, and places where nobody calls that name a secret which is for callers. */
export function faultsOfBindings(config: Config): Fault[] {
  const tenants = Object.keys(config.tenants);
  const faultsOf = (path: readonly PropertyKey[], bound: Bound | undefined): Fault[] => {
    if (bound === undefined) return [];
    const strange = (bound.tenants ?? []).filter((one) => !tenants.includes(one));
    if (strange.length > 0) return strange.map((one) => ({ path: [...path, 'tenants'], message: `there is no tenant ${one}` }));
    // Names of agents and roles belong to a tenant; another one may have an agent of that name.
    const isOpen = bound.tenants === undefined && (bound.agents !== undefined || bound.roles !== undefined);
    return isOpen && tenants.length > 1
      ? [{ path, message: 'name the tenants, since agents and roles of another tenant may have these names' }]
      : [];
  };
  const secrets = Object.entries(config.secrets).flatMap(([name, said]) =>
    refsOf(said).flatMap((ref, i) => faultsOf(['secrets', name, ...(Array.isArray(said) ? [i] : []), 'for'], ref.for)),
  );
  const logins = Object.entries(config.mcp).flatMap(([name, server]) =>
    Object.entries(('url' in server ? server.login?.accounts : undefined) ?? {}).flatMap(([account, { for: bound }]) =>
      faultsOf(['mcp', name, 'login', 'accounts', account, 'for'], bound),
    ),
  );
  return [...secrets, ...logins, ...hostsOwn(config)];
}

/** Secrets that the host itself uses, for no caller. */
function hostsOwn({ secrets, models, mcp, inspectors, webhooks, wakeups, telemetry }: Config): Fault[] {
  const used: readonly (readonly [path: readonly PropertyKey[], secret: unknown])[] = [
    ...Object.entries(models).flatMap(([name, said]) =>
      ['key', 'secret_key'].map((key) => [['models', name, key], (said as Record<string, unknown>)[key]] as const),
    ),
    ...Object.entries(inspectors).map(([name, said]) => [['inspectors', name, 'key'], (said as { readonly key?: unknown }).key] as const),
    ...Object.entries(mcp).map(
      ([name, server]) => [['mcp', name, 'login', 'client_secret'], 'url' in server ? server.login?.client_secret : undefined] as const,
    ),
    ...webhooks.map(({ secret }, i) => [['webhooks', i, 'secret'], secret] as const),
    [['wakeups', 'password'], wakeups?.password],
    ...Object.entries(telemetry?.otlp?.headers ?? {}).map(
      ([header, secret]) => [['telemetry', 'otlp', 'headers', header], secret] as const,
    ),
  ];
  return used.flatMap(([path, name]): Fault[] => {
    const said = typeof name === 'string' && Object.hasOwn(secrets, name) ? secrets[name] : undefined;
    if (said === undefined || refsOf(said).some((ref) => ref.for === undefined)) return [];
    return [{ path, message: `the secret ${String(name)} is bound to callers, and the host uses this one for itself` }];
  });
}
