/** Agents: deploying, listing, and aliases. */
import { ANY_TENANT } from '@corral/protocol/api/roles';
import { CorralError } from '@corral/protocol/errors';
import type { TenantId } from '@corral/protocol/ids';
import { declared } from '../../config/load.ts';
import type { ServerContext } from '../context.ts';
import { tried } from '../tried.ts';
import type { AliasView } from '@corral/protocol/ports/front';
import type { Json } from '@corral/protocol/json';
import type { Context, Handlers } from './handler.ts';

interface AliasPlace {
  readonly tenant: string;
  readonly agent: string;
  readonly alias: string;
}

/** Makes a change of an alias, records it and tells of it; or only says what it would be. */
function changer({ db, feed }: ServerContext) {
  return (
    { access, keep }: Context,
    { tenant, agent, alias }: AliasPlace,
    make: () => AliasView,
    dryRun: boolean,
    more: (after: AliasView) => Record<string, Json> = () => ({}),
  ): AliasView => {
    if (dryRun) {
      keep.skip();
      return tried(db, make);
    }
    const made = db.durably(() => {
      const after = make();
      keep({ target: { agent, alias, version: after.version, ...more(after) }, tenant });
      return after;
    });
    feed.tell('alias.moved', { tenant, agent, data: { alias, version: made.version, by: access.principal.id } });
    return made;
  };
}

export function agentRoutes(
  door: ServerContext,
): Handlers<'deployAgent' | 'listAgents' | 'showAgent' | 'moveAlias' | 'rollBack' | 'sourceMap' | 'listTools'> {
  const { host, registry, feed, clock, db } = door;
  const change = changer(door);
  const resting = (tenant: string, agent: string) =>
    host
      .resting()
      .filter((one) => one.tenant === tenant && one.agent === agent)
      .map(({ version, why, until }) => ({ version, why, until }));
  return {
    async deployAgent({ body }, { access, keep }) {
      const tenant = access.one('agent.deploy', body.tenant);
      const by = access.principal.id;
      const versions = await host.deploy(tenant, body.source, body.describing ?? body.source, body.source_map);
      const agents = db.durably(() => {
        const deployed = registry.deploy(tenant, versions, body.alias, by, clock.now());
        const made = deployed.map(({ agent, version }) => ({ agent, version }));
        keep({ target: { agents: made, alias: body.alias ?? null }, tenant });
        return deployed;
      });
      const bundle = versions[0]?.bundle;
      if (body.source_map !== undefined && bundle !== undefined) registry.keepMap(tenant, bundle, body.source_map);
      for (const { agent, version } of agents) feed.tell('agent.deployed', { tenant, agent, data: { version, by } });
      return { agents, alias: body.alias ?? null };
    },
    async listAgents({ query }, { access }) {
      const { items, next } = registry.list(access.some('agent.read', query.tenant), query);
      return { items: items.map((one) => ({ ...one, resting: resting(one.tenant, one.agent) })), next };
    },
    async showAgent({ params, query }, { access }) {
      const tenant = access.one('agent.read', query.tenant);
      return { ...registry.show(tenant, params.agent), resting: resting(tenant, params.agent) };
    },
    async moveAlias({ params, body }, context) {
      const tenant = context.access.one('agent.alias', body.tenant);
      const { id } = context.access.principal;
      const move = () => registry.move(tenant, params.agent, params.alias, body.version, id, clock.now(), body.reason);
      return change(context, { ...params, tenant }, move, body.dryRun, ({ before }) => ({ before }));
    },
    async rollBack({ params, body }, context) {
      const tenant = context.access.one('agent.alias', body.tenant);
      const { id } = context.access.principal;
      const back = () => registry.rollBack(tenant, params.agent, params.alias, id, clock.now(), body.reason);
      return change(context, { ...params, tenant }, back, body.dryRun);
    },
    async sourceMap({ params, query }, { access }) {
      const { bundle } = params;
      const tenant = access.one('agent.read', query.tenant);
      if (!registry.hasBundle(tenant, bundle)) throw new CorralError('CORRAL_AGENT_UNKNOWN', `There is no bundle ${bundle} here.`);
      return { bundle, source_map: registry.map(tenant, bundle) ?? null };
    },
    async listTools({ query }, { access }) {
      const one = query.tenant === ANY_TENANT ? access.some('agent.read', undefined) : access.one('agent.read', query.tenant);
      const tenants = one === undefined ? door.settings.tenants().map((tenant) => tenant as TenantId) : [one];
      return { items: tenants.flatMap((tenant) => host.tools(tenant).map((tool) => ({ tenant, ...declared(tool) }))) };
    },
  };
}
