/** The quarantines that people put up and lift. Each is recorded with person, reason and time. */
import type { FastifyRequest } from 'fastify';
import { ANY_TENANT } from '@corral/protocol/api/roles';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Quarantine, QuarantineKind } from '@corral/protocol/model/quarantine';
import type { ServerContext } from '../context.ts';
import type { Access } from '../../people/access.ts';
import { allRuns } from '../../jobs/selection.ts';
import { tenantOf } from '../../people/quarantine-tenant.ts';
import type { Handlers } from './handler.ts';

/** Finds what a name means, with the rights of who says it. */
function naming(door: ServerContext) {
  const { host, registry } = door;
  const tenants = () => door.settings.tenants();

  /** @throws CORRAL_FORBIDDEN for a principal of one tenant */
  const mustBeOfHost = (access: Access) => {
    if (access.principal.tenant !== ANY_TENANT) access.one('quarantine.write', ANY_TENANT);
  };

  /**
   * The name and tenant of a quarantine. Only an admin of the whole host may stop a version in every tenant, by naming the tenant
   * `*`. Only the host may put up or lift a quarantine of a tenant. A principal of one tenant may not use a name that could be
   * read as another tenant's.
   */
  const named = (access: Access, kind: QuarantineKind, name: string, asked: string | undefined): { name: string; tenant?: string } => {
    if (kind === 'tenant' || (kind === 'version' && asked === ANY_TENANT)) {
      mustBeOfHost(access);
      return kind === 'tenant' ? { name, tenant: name } : { name };
    }
    if (asked === ANY_TENANT) throw new CorralError('CORRAL_TENANT_UNKNOWN', `Say in which tenant: each has ${kind}s of its own.`);
    if (kind === 'version' && asked === undefined && access.principal.tenant === ANY_TENANT && tenants().length > 1)
      throw new CorralError('CORRAL_TENANT_UNKNOWN', `Say in which tenant: ${tenants().join(', ')}; or * for every one of them.`);
    const tenant = access.one('quarantine.write', asked);
    if (kind === 'version') return { name, tenant };
    const full = `${tenant}/${name}`;
    if (tenantOf({ kind, name: full }, tenants()) !== tenant) mustBeOfHost(access);
    return { name: full, tenant };
  };

  /**
   * The quarantine of a name. A caller of the whole host may leave out the tenant if only one quarantine of that version exists.
   */
  const standing = (access: Access, kind: QuarantineKind, name: string, asked: string | undefined) => {
    const all = host.quarantines();
    const ofVersion = kind === 'version' ? all.filter((one) => one.kind === 'version' && one.name === name) : [];
    const only = asked === undefined && access.principal.tenant === ANY_TENANT && ofVersion.length === 1 ? ofVersion[0] : undefined;
    if (only !== undefined) return { ...only, concerns: only.tenant };
    const { name: full, tenant } = named(access, kind, name, asked);
    const own = kind === 'tenant' ? undefined : tenant;
    const found =
      all.find((one) => one.kind === kind && one.name === full && one.tenant === own) ??
      all.find((one) => one.kind === kind && one.name === full && kind !== 'version');
    return { kind, name: full, ...(own === undefined ? {} : { tenant: own }), ...found, concerns: tenant };
  };

  /** Refuses to quarantine something that does not exist: it would stop nothing, and nobody would notice. */
  const mustKnow = (access: Access, kind: QuarantineKind, name: string, tenant: string | undefined) => {
    if (kind === 'tenant' && !tenants().includes(name)) throw new CorralError('CORRAL_TENANT_UNKNOWN', `There is no tenant ${name}.`);
    if (kind === 'agent' && tenant !== undefined) registry.show(tenant, name);
    if (kind === 'tool' && tenant !== undefined && !host.tools(tenant as never).some((tool) => tool.name === name))
      throw new CorralError('CORRAL_CAP_UNKNOWN', `${tenant} is not offered a tool ${name}.`);
    if (kind !== 'version') return;
    if (!/^sha256:[0-9a-f]{64}$/.test(name))
      throw new CorralError('CORRAL_VERSION_UNKNOWN', `${name.slice(0, 100)} is not the digest of a version.`);
    if (tenant === undefined || registry.hasVersion(name, tenant)) return;
    // The same text whether another tenant has the version or nobody has it.
    mustBeOfHost(access);
    throw new CorralError('CORRAL_VERSION_UNKNOWN', `${tenant} has no version ${name}.`);
  };

  return { named, standing, mustKnow };
}

/** The target of a quarantine, as the record of operations names it. */
const targetOf = (kind: QuarantineKind, name: string, tenant: string | undefined) =>
  kind === 'version' ? { kind, name, tenant: tenant ?? ANY_TENANT } : { kind, name };

/** The runs that a quarantine is about. */
function concerning(door: ServerContext) {
  /** Live runs that a quarantine stops, as they are listed. */
  const concerned = async ({ kind, name }: Pick<Quarantine, 'kind' | 'name'>, tenant: string | undefined): Promise<string[]> => {
    if (kind === 'tool') return [];
    const own = tenant ?? tenantOf({ kind, name }, door.settings.tenants());
    const by = {
      version: { version: [name] },
      tenant: {},
      agent: own === undefined ? undefined : { agent: [name.slice(own.length + 1)] },
    }[kind];
    if (by === undefined) return [];
    const rows = await allRuns(door, { ...by, tenant: kind === 'tenant' ? name : kind === 'agent' ? own : tenant, ended: false });
    return rows.map(({ id }) => id);
  };
  /** As `concerned`. The act is done by then, and is recorded also where the list of runs cannot be read. */
  const listed = async (one: Pick<Quarantine, 'kind' | 'name'>, tenant: string | undefined, { log }: FastifyRequest): Promise<string[]> => {
    try {
      return await concerned(one, tenant);
    } catch (error) {
      log.error({ err: error }, 'the runs that a quarantine concerns could not be listed');
      return [];
    }
  };
  return { concerned, listed };
}

export function quarantineRoutes(door: ServerContext): Handlers<'listQuarantines' | 'putQuarantine' | 'liftQuarantine'> {
  const { host, clock } = door;
  const { named, standing, mustKnow } = naming(door);

  const view = ({ by, reason, at, ...one }: Quarantine) => {
    const { kind, name } = one;
    const tenant = tenantOf(one, door.settings.tenants());
    const bare = (kind === 'agent' || kind === 'tool') && tenant !== undefined ? name.slice(tenant.length + 1) : name;
    return { kind, name: bare, tenant: tenant ?? null, by, reason, at };
  };

  const { concerned, listed } = concerning(door);

  /** Updates the index for runs that were stopped or go on. The act itself is already recorded. */
  const settled = async (runs: readonly string[]): Promise<void> => {
    for (const id of runs) await door.projection.settle(id);
  };

  return {
    async listQuarantines({ query }, { access }) {
      const tenant = access.some('quarantine.read', query.tenant);
      const items = host.quarantines().map((one) => view(one));
      // A quarantine for every tenant may be about a version of this one.
      return { items: tenant === undefined ? items : items.filter((one) => one.tenant === tenant || one.tenant === null) };
    },

    async putQuarantine({ body }, { access, keep, request }) {
      const { kind, reason } = body;
      const by = access.principal.id;
      const { name, tenant } = named(access, kind, body.name, body.tenant);
      mustKnow(access, kind, body.name, tenant);
      const own = kind === 'tenant' ? undefined : tenant;
      const standsAs = () => host.quarantines().find((one) => one.kind === kind && one.name === name && one.tenant === own);
      // Nothing comes between this look and the new one: the host takes it up before it first waits.
      const before = standsAs();
      const replaced = before === undefined ? {} : { replaced: { by: before.by, reason: before.reason, at: before.at } };
      const fresh = { kind, name, by, reason, at: clock.now(), ...(own === undefined ? {} : { tenant: own }) };
      if (body.dryRun) {
        keep.skip();
        return { ...view(fresh), runs: (await concerned(fresh, tenant)) as RunId[], ...replaced };
      }
      await host.quarantine(kind, name, by, reason, own);
      const matched = await listed({ kind, name }, tenant, request);
      keep({ target: targetOf(kind, name, tenant), tenant, matched });
      await settled(matched);
      return {
        ...view(standsAs() ?? fresh),
        runs: matched as RunId[],
        ...replaced,
      };
    },

    async liftQuarantine({ params, query }, { access, keep, request }) {
      const { kind } = params;
      const by = access.principal.id;
      const { concerns, ...one } = standing(access, kind, params.name, query.tenant);
      if (query.dryRun) {
        keep.skip();
        if (!('at' in one)) throw new CorralError('CORRAL_RUN_STATE', `There is no quarantine on ${kind} ${one.name}.`);
        return { ...view({ by, reason: query.reason, at: clock.now(), ...one }), runs: (await concerned(one, concerns)) as RunId[] };
      }
      await host.lift(kind, one.name, by, query.reason, one.tenant);
      const matched = await listed(one, concerns, request);
      keep({ target: targetOf(kind, one.name, concerns), tenant: concerns, matched });
      await settled(matched);
      return { ...view({ by, reason: query.reason, at: clock.now(), ...one }), runs: matched as RunId[] };
    },
  };
}
