/** Selects the runs that a request means: one implementation of the filters of lists and of operations on many runs. */
import type { Operation } from '@corral/protocol/api/roles';
import type { RunSelector } from '@corral/protocol/api/selector';
import { CorralError } from '@corral/protocol/errors';
import { didYouMean } from '@corral/protocol/nearest';
import type { TenantId } from '@corral/protocol/ids';
import type { ServerContext } from '../http/context.ts';
import type { Access } from '../people/access.ts';
import type { RunRow, RunSearch } from '@corral/protocol/ports/front';

type Conditions = Omit<RunSearch, 'limit' | 'cursor' | 'parent' | 'ended_as' | 'q'>;
/** Rows that are read from the index at a time. */
const PAGE = 500;

/**
 * The conditions for the index. A name that nothing has is an error instead of an empty result: a caller who misspells a name and
 * reads "no run" would believe that none is running.
 * @throws CORRAL_AGENT_UNKNOWN, CORRAL_VERSION_UNKNOWN, CORRAL_TENANT_UNKNOWN, CORRAL_FORBIDDEN
 */
export async function conditionsOf(door: ServerContext, access: Access, operation: Operation, selector: RunSelector): Promise<Conditions> {
  const { lifecycle, waiting, older_than_ms, agent, version, control, since, until } = selector;
  const tenant = access.some(operation, selector.tenant);
  refuseUnknown(door, { tenant, agent, version });
  return {
    tenant,
    agent,
    version,
    control,
    since,
    until,
    began: lifecycle === undefined || lifecycle === 'ended' ? undefined : lifecycle === 'active',
    ended: lifecycle === undefined ? (waiting === undefined ? undefined : false) : lifecycle === 'ended',
    admitted_by: older_than_ms === undefined ? undefined : door.clock.now() - older_than_ms,
    among: waiting === undefined ? undefined : await door.host.waitingOn(waiting),
  };
}

/** All runs that match a selector and have not ended, newest first. */
export async function selected(door: ServerContext, access: Access, operation: Operation, selector: RunSelector): Promise<RunRow[]> {
  const conditions = await conditionsOf(door, access, operation, selector);
  const rows: RunRow[] = [];
  for (let cursor: string | undefined; ;) {
    const page = door.index.search({ ...conditions, ended: false, limit: PAGE, cursor });
    rows.push(...page.rows);
    if (page.next === null) return rows;
    cursor = page.next;
  }
}

interface Names {
  readonly tenant?: TenantId | undefined;
  readonly agent?: string | undefined;
  readonly version?: string | undefined;
}

/**
 * An agent or a version is known if it was deployed or has runs.
 * @throws CORRAL_AGENT_UNKNOWN, CORRAL_VERSION_UNKNOWN
 */
function refuseUnknown({ index, registry }: ServerContext, { tenant, agent, version }: Names): void {
  if (agent !== undefined) {
    const agents = registry.names(tenant);
    if (!agents.includes(agent) && !index.has('agent', agent, tenant))
      throw new CorralError('CORRAL_AGENT_UNKNOWN', `There is no agent ${agent}.${didYouMean(agent, agents)}`);
  }
  if (version !== undefined && !registry.hasVersion(version, tenant) && !index.has('version', version, tenant))
    throw new CorralError('CORRAL_VERSION_UNKNOWN', `No agent has the version ${version}.`);
}
