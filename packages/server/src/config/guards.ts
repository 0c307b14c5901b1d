/** The guards of a tenant besides grants: policies, thresholds and the ladder against loops, for the first lines of `up`, `doctor` and HTTP. */
import type { TenantId } from '@corral/protocol/ids';
import type { Guard } from '@corral/protocol/api/schemas-host';
import type { Config } from './schema.ts';

/** The guards of each tenant, from what the configuration says or leaves out. */
export function guardsOf({ tenants, policies, risk }: Config): Guard[] {
  return Object.entries(tenants).map(([tenant, own]) => {
    const said = own.policies ?? policies;
    const bounded = (own.risk ?? risk) !== undefined;
    return {
      tenant: tenant as TenantId,
      policies: said === 'default' ? 'default' : said === 'none' ? (bounded ? 'own' : 'none') : 'own',
      risk: bounded,
      loops: own.loops === undefined ? 'default' : own.loops === false ? 'none' : 'own',
    };
  });
}

/** One sentence for each kind of guard; those that are missing come first, as `bare`. */
export function guardLines(guards: readonly Guard[]): { readonly text: string; readonly bare: boolean }[] {
  const of = <K extends 'policies' | 'loops'>(kind: K, value: Guard[K]) =>
    guards.filter((guard) => guard[kind] === value).map(({ tenant }) => tenant);
  const whose = (tenants: readonly string[]) => (tenants.length === guards.length ? '' : ` for ${tenants.join(', ')}`);
  const line = (tenants: readonly string[], text: (whose: string) => string, bare = false) =>
    tenants.length === 0 ? [] : [{ text: text(whose(tenants)), bare }];
  return [
    ...line(of('policies', 'none'), (where) => `NO POLICIES${where}: grants alone decide about calls (policies: 'none').`, true),
    ...line(
      of('loops', 'none'),
      (where) => `LOOPS ARE NOT WATCHED${where}: nothing stops a run that loops or runs away (loops: false).`,
      true,
    ),
    ...line(of('policies', 'default'), (where) => `Policies${where}: the default pack.`),
    ...line(of('policies', 'own'), (where) => `Policies${where}: those of the configuration.`),
    ...line(
      guards.filter(({ risk }) => risk).map(({ tenant }) => tenant),
      (where) => `Thresholds${where}: those of \`risk\`.`,
    ),
    ...line(of('loops', 'default'), (where) => `Loops${where}: a run that loops, runs away or probes is paused for a person.`),
    ...line(of('loops', 'own'), (where) => `Loops${where}: as the configuration says.`),
  ];
}
