/** One tool: who declares it, which runs hold it, and who called it lately. */
import { targetText, type RunId, type TenantId } from '@corral/protocol/ids';
import type { ToolVersion } from '@corral/protocol/ports/tool-reads';
import { declared } from '../../config/load.ts';
import { unknownTool } from '../../jobs/selection.ts';
import type { ServerContext } from '../context.ts';
import type { Handlers } from './handler.ts';

const isDeclared = ({ as }: ToolVersion): boolean => as.length > 0;

export function toolRoutes(door: ServerContext): Handlers<'showTool'> {
  const { host, lists, lateCalls, reads } = door;

  /** The tool as the host offers it now; a service is offered without a declaration of its own. */
  const offerOf = (tenant: TenantId, name: string) => {
    const tool = host.tools(tenant).find((one) => one.name === name);
    const { description, annotations } = tool === undefined ? { description: '', annotations: {} } : declared(tool);
    const offered = tool !== undefined || host.services(tenant).includes(name);
    // An agent may ask for all tools of a server at once.
    return { offered, description, annotations, requests: [targetText(name), ...(tool?.server === undefined ? [] : [tool.server])] };
  };

  return {
    async showTool({ params: { tool }, query }, { access }) {
      const tenant = access.one('agent.read', query.tenant);
      const { requests, ...offer } = offerOf(tenant, tool);
      lateCalls.write();
      const { versions, calls } = await lists.take(access.principal.tenant, async () => ({
        versions: await reads.toolVersions(tenant, tool, requests),
        calls: await reads.lateCalls(tenant, tool),
      }));
      if (!offer.offered && versions.length === 0 && calls.length === 0) throw unknownTool(door, [tenant], tool);
      const breaker = host.toolBreakers().find((one) => one.tenant === tenant && one.tool === tool);
      const stop = host.againstTool(tenant, tool);
      return {
        tenant,
        tool,
        ...offer,
        quarantined: stop === undefined ? null : { by: stop.by, reason: stop.reason, at: stop.at },
        resting: breaker === undefined ? null : { state: breaker.state, why: breaker.why, until: breaker.until },
        declared: versions.filter(isDeclared).map((one) => ({ ...one, aliases: [...one.aliases], as: [...one.as] })),
        handed: versions.filter((one) => !isDeclared(one)).map(({ agent, version, holding }) => ({ agent, version, holding })),
        holding: versions.reduce((sum, one) => sum + one.holding, 0),
        under_way: underWay(tenant, tool),
        called: calls.map(({ run, agent, call, at, ms, code }) => ({ run, agent, call, at, ms, code })),
      };
    },
  };

  function underWay(tenant: TenantId, tool: string): number {
    const runs: RunId[] = host
      .views()
      .filter((one) => one.tenant === tenant && one.open_calls > 0)
      .map(({ id }) => id);
    return host.underWay(runs).get(tool) ?? 0;
  }
}
