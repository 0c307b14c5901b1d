/** Agents: deploying, listing, and aliases. */
import { CorralError } from '@corral/protocol/errors';
import { declared } from '../../config/load.ts';
import type { ServerContext } from '../context.ts';
import type { Handlers } from './handler.ts';

export function agentRoutes(
  door: ServerContext,
): Handlers<'deployAgent' | 'listAgents' | 'showAgent' | 'moveAlias' | 'rollBack' | 'sourceMap' | 'listTools'> {
  const { host, registry, feed, clock, db } = door;
  const moved = (tenant: string, agent: string, alias: string, version: string, by: string) =>
    feed.tell('alias.moved', { tenant, agent, data: { alias, version, by } });
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
    async moveAlias({ params, body }, { access, keep }) {
      const tenant = access.one('agent.alias', body.tenant);
      const alias = db.durably(() => {
        const after = registry.move(tenant, params.agent, params.alias, body.version, access.principal.id, clock.now(), body.reason);
        keep({ target: { ...params, version: after.version, before: after.before }, tenant });
        return after;
      });
      moved(tenant, params.agent, params.alias, alias.version, access.principal.id);
      return alias;
    },
    async rollBack({ params, body }, { access, keep }) {
      const tenant = access.one('agent.alias', body.tenant);
      const alias = db.durably(() => {
        const after = registry.rollBack(tenant, params.agent, params.alias, access.principal.id, clock.now(), body.reason);
        keep({ target: { ...params, version: after.version }, tenant });
        return after;
      });
      moved(tenant, params.agent, params.alias, alias.version, access.principal.id);
      return alias;
    },
    async sourceMap({ params, query }, { access }) {
      const { bundle } = params;
      const tenant = access.one('agent.read', query.tenant);
      if (!registry.hasBundle(tenant, bundle)) throw new CorralError('CORRAL_AGENT_UNKNOWN', `There is no bundle ${bundle} here.`);
      return { bundle, source_map: registry.map(tenant, bundle) ?? null };
    },
    async listTools({ query }, { access }) {
      return { items: host.tools(access.one('agent.read', query.tenant)).map((tool) => declared(tool)) };
    },
  };
}
