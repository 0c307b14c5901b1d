/**
 * Permissions at the front door: one table, used by the server, by the reference and by the test that tries every cell. A role is
 * held within one tenant, or for the whole host; no role gives access to another tenant.
 */
import * as z from 'zod';

export const Role = z.enum(['developer', 'operator', 'approver', 'auditor', 'admin', 'monitor']);
export type Role = z.infer<typeof Role>;

interface OperationRow {
  readonly about: string;
  readonly roles: readonly Role[];
  /** The operation is on the host as a whole, so a role within one tenant is not enough. */
  readonly host?: true;
}

/** All people. A `monitor` is a program that reads figures, such as Prometheus, whose token lies on another machine. */
const ALL: readonly Role[] = ['developer', 'operator', 'approver', 'auditor', 'admin'];

export const OPERATIONS = {
  'agent.read': { about: 'list agents, versions, aliases and tools', roles: ALL },
  'agent.deploy': { about: 'deploy a version', roles: ['developer', 'admin'] },
  'agent.alias': { about: 'move an alias, roll it back', roles: ['developer', 'operator', 'admin'] },
  'run.submit': { about: 'submit a job', roles: ['developer', 'operator', 'admin'] },
  'service.send': { about: 'send messages to services', roles: ['developer', 'operator', 'admin'] },
  'run.read': { about: 'list, show and follow runs', roles: ALL },
  'run.payload': { about: 'read inputs, outputs, calls, messages and journals', roles: ['developer', 'operator', 'auditor', 'admin'] },
  'run.private': { about: 'read what the label of a run withholds, with a reason that is recorded', roles: ['admin'] },
  'run.pause': { about: 'pause runs', roles: ['operator', 'admin'] },
  'run.resume': { about: 'resume runs', roles: ['operator', 'admin'] },
  'run.cancel': { about: 'cancel runs', roles: ['developer', 'operator', 'admin'] },
  'run.kill': { about: 'kill runs', roles: ['operator', 'admin'] },
  'run.resolve': { about: 'settle a call of unknown result', roles: ['operator', 'admin'] },
  'run.fork': { about: 'start runs with the beginning of another one', roles: ['developer', 'operator', 'admin'] },
  'run.erase': { about: 'erase runs', roles: ['admin'] },
  'memory.read': { about: 'list and read what agents keep', roles: ['developer', 'operator', 'auditor', 'admin'] },
  'memory.remove': { about: 'remove what agents keep', roles: ['operator', 'admin'] },
  'evidence.verify': { about: 'verify journals', roles: ['operator', 'auditor', 'admin'] },
  'evidence.collect': { about: 'collect garbage: erased runs, and journals whose retention has passed', roles: ['operator', 'admin'] },
  'run.mark': { about: 'mark what detectors found in runs as right or as a false alarm', roles: ['operator', 'admin'] },
  'mark.read': { about: 'list marks, and see which thresholds they support', roles: ['operator', 'auditor', 'admin'] },
  'profile.read': { about: 'see what agents usually do', roles: ['developer', 'operator', 'auditor', 'admin'] },
  'profile.write': { about: 'learn from approved runs what an agent usually does, or delete that', roles: ['operator', 'admin'] },
  'approval.read': {
    about: 'list calls that wait for approval, with their arguments, and questions of runs',
    roles: ['operator', 'approver', 'auditor', 'admin'],
  },
  'approval.decide': {
    about: 'approve or deny calls of runs that others submitted, and answer questions of runs',
    roles: ['approver', 'admin'],
  },
  'grant.revoke': { about: 'revoke a grant, and all that was derived from it; take a tool back from runs', roles: ['operator', 'admin'] },
  'policy.read': {
    about: 'read policies that are or were in force, and see where candidates would have decided differently',
    roles: ['operator', 'auditor', 'admin'],
  },
  'spend.read': { about: 'see what the tenant, its agents and its people spent', roles: ['developer', 'operator', 'auditor', 'admin'] },
  'quarantine.read': { about: 'list quarantines', roles: ALL },
  'quarantine.write': { about: 'put up and lift quarantines', roles: ['operator', 'admin'] },
  'operation.read': { about: 'list operations on runs, and by whom', roles: ['operator', 'auditor', 'admin'] },
  'schedule.read': { about: 'list schedules', roles: ALL },
  'schedule.write': { about: 'make and remove schedules', roles: ['developer', 'operator', 'admin'] },
  'token.read': { about: 'list tokens', roles: ['auditor', 'admin'] },
  'token.write': { about: 'make and revoke tokens', roles: ['admin'] },
  'secret.read': {
    about: 'list secrets by name, whose they are and when they were used',
    roles: ['operator', 'auditor', 'admin'],
    host: true,
  },
  'secret.write': { about: 'revoke secrets, and take that back', roles: ['admin'], host: true },
  'login.write': { about: 'sign the host in at MCP servers, and out', roles: ['operator', 'admin'], host: true },
  'webhook.read': { about: 'list webhooks and what was sent to them', roles: ['operator', 'auditor', 'admin'] },
  'webhook.retry': { about: 'have notifications sent again now', roles: ['operator', 'admin'] },
  'host.backup': { about: 'back up the host', roles: ['admin'], host: true },
  'metrics.read': { about: 'read the figures of the host', roles: ['operator', 'auditor', 'admin', 'monitor'], host: true },
  'host.read': { about: 'see the hosts that share the store', roles: ['operator', 'auditor', 'admin'], host: true },
  'config.read': { about: 'see the configuration in force', roles: ['operator', 'auditor', 'admin'], host: true },
  'config.apply': { about: 'check and apply the configuration file', roles: ['admin'], host: true },
} as const satisfies Record<string, OperationRow>;

export type Operation = keyof typeof OPERATIONS;

/** An authenticated caller: identity, tenant (`*`: all of them) and roles. */
export interface Principal {
  readonly id: string;
  readonly tenant: string;
  readonly roles: readonly Role[];
  /** When the credential expires. Milliseconds since 1970. */
  readonly expires_at?: number;
  /** The id of the token, if the caller used one. */
  readonly token?: string;
}

export const ANY_TENANT = '*';

/**
 * @param tenant owner of the thing; undefined: the host
 * @returns whether the principal may
 */
export function may(principal: Principal, operation: Operation, tenant: string | undefined): boolean {
  const row: OperationRow = OPERATIONS[operation];
  if ((row.host === true || tenant === undefined) && principal.tenant !== ANY_TENANT) return false;
  if (tenant !== undefined && principal.tenant !== ANY_TENANT && principal.tenant !== tenant) return false;
  return principal.roles.some((role) => row.roles.includes(role));
}

/** The people and roles that rules name for a call, with the one who is `owner` here. */
export const approversText = (approvers: readonly string[], owner: string | undefined): string =>
  approvers.map((one) => (one === 'owner' && owner !== undefined ? `owner (${owner})` : one)).join(' and ');
