/** What people decide about calls, and the durable stops they put up and lift. Each is kept with who, why and when. */
import { ANY_TENANT } from '@corral/protocol/api/roles';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Quarantine, QuarantineKind } from '@corral/protocol/store';
import type { Approval } from '@corral/supervisor';
import type { Door } from '../door.ts';
import { keeper } from '../kept.ts';
import type { Access } from '../people/access.ts';
import { tenantOf } from '../quarantined.ts';
import { findRun, type Handlers } from './handler.ts';

type Names = 'listApprovals' | 'decideApproval' | 'listQuarantines' | 'putQuarantine' | 'liftQuarantine';

export function approvalRoutes(door: Door): Handlers<Names> {
  const { host, index, clock, settings, registry, scheduler } = door;
  const tenants = () => Object.keys(settings.inForce().config.tenants);

  const keep = keeper(door);

  const view = ({ kind, name, by, reason, at }: Quarantine) => {
    const tenant = tenantOf({ kind, name }, tenants());
    const bare = (kind === 'agent' || kind === 'tool') && tenant !== undefined ? name.slice(tenant.length + 1) : name;
    return { kind, name: bare, tenant: tenant ?? null, by, reason, at };
  };

  /**
   * The name a quarantine stands under. A version may run in every tenant, a stop on a tenant is the host's to put up and
   * lift, and a name that could be read as another tenant's is refused to who is of one tenant.
   */
  const named = (access: Access, kind: QuarantineKind, name: string, asked: string | undefined): { name: string; tenant?: string } => {
    const { principal } = access;
    const ofHost = () => {
      if (principal.tenant !== ANY_TENANT) access.one('quarantine.write', ANY_TENANT);
    };
    if (kind === 'version' || kind === 'tenant') {
      ofHost();
      return kind === 'tenant' ? { name, tenant: name } : { name };
    }
    const tenant = access.one('quarantine.write', asked);
    const full = `${tenant}/${name}`;
    if (tenantOf({ kind, name: full }, tenants()) !== tenant) ofHost();
    return { name: full, tenant };
  };

  /** A stop on what is not there would stop nothing, and nobody would notice. */
  const mustKnow = (kind: QuarantineKind, name: string, tenant: string | undefined) => {
    if (kind === 'tenant' && !tenants().includes(name)) throw new CorralError('CORRAL_TENANT_UNKNOWN', `There is no tenant ${name}.`);
    if (kind === 'agent' && tenant !== undefined) registry.show(tenant, name);
    if (kind === 'tool' && tenant !== undefined && !host.tools(tenant as never).some((tool) => tool.name === name))
      throw new CorralError('CORRAL_CAP_UNKNOWN', `${tenant} is not offered a tool ${name}.`);
    if (kind === 'version' && !/^sha256:[0-9a-f]{64}$/.test(name))
      throw new CorralError('CORRAL_VERSION_UNKNOWN', `${name.slice(0, 100)} is no digest of a version.`);
  };

  /** What is listed of runs that stand still, or go on, is as it is now. */
  const settled = async ({ kind, name }: Pick<Quarantine, 'kind' | 'name'>): Promise<string[]> => {
    if (kind === 'tool') return [];
    const rows = index.live().filter((row) => {
      if (kind === 'version') return row.version === name;
      return kind === 'tenant' ? row.tenant === name : `${row.tenant}/${row.agent}` === name;
    });
    for (const { id } of rows) await door.projection.settle(id);
    return rows.map(({ id }) => id);
  };

  return {
    async listApprovals({ query }, { access }) {
      const found = await host.approvals(access.some('approval.read', query.tenant));
      const items = found.map(({ origins, rules, unusual, approved_by, approvers, lowers, ...one }) => ({
        ...one,
        ...(lowers === undefined ? {} : { lowers: lowersView(lowers) }),
        approvers: [...approvers],
        rules: [...rules],
        unusual: [...unusual],
        approved_by: [...approved_by],
        origins: origins.map(([path, origin]) => ({ path, origin })),
      }));
      return { items: items.sort((a, b) => a.since - b.since) };
    },

    async decideApproval({ params, body }, { access }) {
      const { run, call } = params;
      const { verdict, reason } = body;
      const by = access.principal.id;
      const row = findRun(door, access, 'approval.decide', run);
      if (row.ended_as !== null) throw new CorralError('CORRAL_RUN_STATE', `${run} has ended already: ${row.ended_as}.`);
      if (submitters(row.principal).has(by))
        throw new CorralError('CORRAL_APPROVER', `${by} is behind ${run}, and so does not decide about what it may do.`);
      await host.decide(run, call, by, verdict, reason, access.principal.roles);
      keep(verdict, by, { run, call }, reason, row.tenant, [run]);
      return { run, call, verdict, by, missing: verdict === 'deny' ? 0 : await missing(row.tenant, run, call) };
    },

    async listQuarantines({ query }, { access }) {
      const tenant = access.some('quarantine.read', query.tenant);
      const items = host.quarantines().map((one) => view(one));
      // A version may be of this tenant as of any other, so whoever runs it sees why it stands still.
      return { items: tenant === undefined ? items : items.filter((one) => one.tenant === tenant || one.kind === 'version') };
    },

    async putQuarantine({ body }, { access }) {
      const { kind, reason } = body;
      const by = access.principal.id;
      const { name, tenant } = named(access, kind, body.name, body.tenant);
      mustKnow(kind, body.name, tenant);
      await host.quarantine(kind, name, by, reason);
      keep('quarantine', by, { kind, name }, reason, tenant, await settled({ kind, name }));
      const standing = host.quarantines().find((one) => one.kind === kind && one.name === name);
      return view(standing ?? { kind, name, by, reason, at: clock.now() });
    },

    async liftQuarantine({ params, query }, { access }) {
      const { kind } = params;
      const by = access.principal.id;
      const { name, tenant } = named(access, kind, params.name, query.tenant);
      const standing = host.quarantines().find((one) => one.kind === kind && one.name === name);
      await host.lift(kind, name, by, query.reason);
      keep('lift', by, { kind, name }, query.reason, tenant, await settled({ kind, name }));
      return view(standing ?? { kind, name, by, reason: query.reason, at: clock.now() });
    },
  };

  /** Who is behind a run: a schedule submits in the name of whoever made it. */
  function submitters(principal: string): Set<string> {
    const behind = new Set([principal]);
    if (!principal.startsWith('schedule:')) return behind;
    const made = scheduler.list(undefined).find(({ schedule }) => `schedule:${schedule}` === principal);
    return made === undefined ? behind : behind.add(made.created_by);
  }

  async function missing(tenant: string, run: RunId, call: number): Promise<number> {
    const still = (await host.approvals(tenant as never)).find((one) => one.run === run && one.call === call);
    return still === undefined ? 0 : Math.max(0, still.quorum - still.approved_by.length);
  }
}

function lowersView({ kind, owner, of, label }: NonNullable<Approval['lowers']>) {
  return { kind, owner, of, influenced_by: [...label.influenced_by], private_to: [...label.private_to] };
}
