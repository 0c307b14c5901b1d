/** Selects the runs that a request means: one implementation of the filters of lists and of operations on many runs. */
import type { Operation } from '@corral/protocol/api/roles';
import { many, type RunSelector } from '@corral/protocol/api/selector';
import { CorralError } from '@corral/protocol/errors';
import { didYouMean } from '@corral/protocol/nearest';
import type { TenantId } from '@corral/protocol/ids';
import type { ServerContext } from '../http/context.ts';
import type { Access } from '../people/access.ts';
import type { RunRow } from '@corral/protocol/ports/front';
import type { WaitingOn } from '@corral/protocol/model/run';
import type { RunSearch } from '@corral/protocol/ports/front-reads';

/** Rows that are read from the index at a time. */
const PAGE = 500;

/**
 * The conditions for the index. A name that nothing has is an error instead of an empty result: a caller who misspells a name and
 * reads "no run" would believe that none is running.
 * @throws CORRAL_AGENT_UNKNOWN, CORRAL_VERSION_UNKNOWN, CORRAL_TENANT_UNKNOWN, CORRAL_FORBIDDEN
 */
export async function conditionsOf(door: ServerContext, access: Access, operation: Operation, selector: RunSelector): Promise<RunSearch> {
  const { older_than_ms, principal, config, since, until, created_from, ended_from, ended_until, parent, q } = selector;
  const { refused_from, withheld_from, holds, stopped_by } = selector;
  const tenant = access.some(operation, selector.tenant);
  const [agent, version, lifecycle, control, waiting] = [
    many(selector.agent)?.map((one) => fullName(door, tenant, one)),
    many(selector.version),
    many(selector.lifecycle),
    many(selector.control),
    many(selector.waiting),
  ];
  refuseUnknown(door, { tenant, agent, version });
  if (holds !== undefined) await mustKnowTool(door, tenant, holds);
  return {
    tenant,
    agent,
    version,
    principal: many(principal),
    config,
    parent,
    q,
    lifecycle,
    control,
    stopped_by: many(stopped_by),
    since,
    until,
    created_from,
    ended_from,
    ended_until,
    refused_from,
    withheld_from,
    holds,
    ended: waiting === undefined ? undefined : false,
    admitted_by: older_than_ms === undefined ? undefined : door.clock.now() - older_than_ms,
    among: await amongOf(door, waiting, selector.runs),
  };
}

/** The whole name of an agent. @throws CORRAL_AGENT_UNKNOWN */
export function knownAgent(door: ServerContext, tenant: TenantId | undefined, name: string): string {
  const agent = fullName(door, tenant, name);
  refuseUnknown(door, { tenant, agent: [agent] });
  return agent;
}

/** The name of an agent that was written without what stands before its last /, where one agent alone has that end. */
function fullName({ index, registry }: ServerContext, tenant: TenantId | undefined, name: string): string {
  const known = registry.names(tenant);
  if (name.includes('/') || known.includes(name) || index.has('agent', name, tenant)) return name;
  const ends = known.filter((one) => one.endsWith(`/${name}`));
  return ends.length === 1 ? (ends[0] as string) : name;
}

/** The runs that a search is confined to: those that are named, and those that wait for something. */
async function amongOf(
  { host }: ServerContext,
  waiting: readonly WaitingOn[] | undefined,
  runs: readonly string[] | undefined,
): Promise<readonly string[] | undefined> {
  if (waiting === undefined) return runs;
  const found = (await Promise.all(waiting.map((one) => host.waitingOn(one)))).flat();
  const named = runs && new Set<string>(runs);
  return named === undefined ? found : found.filter((run) => named.has(run));
}

/** All runs that match a selector and have not ended, newest first. */
export async function selected(door: ServerContext, access: Access, operation: Operation, selector: RunSelector): Promise<RunRow[]> {
  const conditions = await conditionsOf(door, access, operation, selector);
  return allRuns(door, { ...conditions, ended: false });
}

/** All runs that a search finds, newest first. */
export async function allRuns({ reads }: ServerContext, by: RunSearch): Promise<RunRow[]> {
  const rows: RunRow[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await reads.runs({ ...by, limit: PAGE, cursor });
    rows.push(...page.rows);
    if (page.next === null) return rows;
    cursor = page.next;
  }
}

/** A tool is known if a tenant's agents are offered it, or if a run holds it. @throws CORRAL_TOOL_UNKNOWN */
async function mustKnowTool(door: ServerContext, tenant: TenantId | undefined, tool: string): Promise<void> {
  const tenants = tenant === undefined ? door.settings.tenants() : [tenant];
  if (tenants.some((one) => offeredIn(door, one).includes(tool))) return;
  const held = await door.reads.runs({ tenant, holds: tool, limit: 1 });
  if (held.rows.length === 0) throw unknownTool(door, tenants, tool);
}

export const unknownTool = (door: ServerContext, tenants: readonly string[], tool: string): CorralError =>
  new CorralError(
    'CORRAL_TOOL_UNKNOWN',
    `There is no tool ${tool} here.${didYouMean(
      tool,
      tenants.flatMap((one) => offeredIn(door, one)),
    )}`,
  );

const offeredIn = ({ host }: ServerContext, tenant: string): string[] => [
  ...host.tools(tenant as TenantId).map(({ name }) => name),
  ...host.services(tenant as TenantId),
];

interface Names {
  readonly tenant?: TenantId | undefined;
  readonly agent?: readonly string[] | undefined;
  readonly version?: readonly string[] | undefined;
}

/**
 * An agent or a version is known if it was deployed or has runs.
 * @throws CORRAL_AGENT_UNKNOWN, CORRAL_VERSION_UNKNOWN
 */
export function refuseUnknown({ index, registry }: ServerContext, { tenant, agent = [], version = [] }: Names): void {
  const agents = agent.length === 0 ? [] : registry.names(tenant);
  const known = new Set(agents);
  for (const one of agent)
    if (!known.has(one) && !index.has('agent', one, tenant))
      throw new CorralError('CORRAL_AGENT_UNKNOWN', `There is no agent ${one}.${didYouMean(one, agents)}`);
  for (const one of version)
    if (!registry.hasVersion(one, tenant) && !index.has('version', one, tenant))
      throw new CorralError('CORRAL_VERSION_UNKNOWN', `No agent has the version ${one}.`);
}
