/** People's decisions about calls, and the quarantines they put up and lift. Each is recorded with person, reason and time. */
import { ANY_TENANT } from '@corral/protocol/api/roles';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Quarantine, QuarantineKind } from '@corral/protocol/model/quarantine';
import type { Approval } from '@corral/supervisor';
import type { ServerContext } from '../context.ts';
import type { Access } from '../../people/access.ts';
import { tenantOf } from '../../people/quarantine-tenant.ts';
import type { RunRow } from '@corral/protocol/ports/front';
import { findRun, type Handlers } from './handler.ts';

type Names = 'listApprovals' | 'decideApproval' | 'listQuarantines' | 'putQuarantine' | 'liftQuarantine';

export function approvalRoutes(door: ServerContext): Handlers<Names> {
  const { host, index, clock, settings, registry, people } = door;
  const tenants = () => Object.keys(settings.inForce().config.tenants);

  const view = ({ by, reason, at, ...one }: Quarantine) => {
    const { kind, name } = one;
    const tenant = tenantOf(one, tenants());
    const bare = (kind === 'agent' || kind === 'tool') && tenant !== undefined ? name.slice(tenant.length + 1) : name;
    return { kind, name: bare, tenant: tenant ?? null, by, reason, at };
  };

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

  /** Live runs that a quarantine stops, as they are listed. */
  const concerned = ({ kind, name }: Pick<Quarantine, 'kind' | 'name'>, tenant: string | undefined): string[] => {
    if (kind === 'tool') return [];
    const rows = index.live().filter((row) => {
      if (tenant !== undefined && row.tenant !== tenant) return false;
      if (kind === 'version') return row.version === name;
      return kind === 'tenant' ? row.tenant === name : `${row.tenant}/${row.agent}` === name;
    });
    return rows.map(({ id }) => id);
  };

  /** Updates the index for runs that were stopped or go on. The act itself is already recorded. */
  const settled = async (runs: readonly string[]): Promise<void> => {
    for (const id of runs) await door.projection.settle(id);
  };

  return {
    async listApprovals({ query }, { access }) {
      const { cursor, limit } = query;
      const tenant = access.some('approval.read', query.tenant);
      const after = cursor === undefined ? {} : { after: approvalAt(cursor) };
      const damaged: { run: RunId; detail: string }[] = [];
      const onDamaged = (run: RunId, { message }: CorralError) => void damaged.push({ run, detail: message });
      const found = await host.approvals({ limit: limit + 1, onDamaged, ...(tenant === undefined ? {} : { tenant }), ...after });
      const page = found.slice(0, limit);
      const last = page.at(-1);
      const items = page.map(({ origins, rules, unusual, approved_by, approvers, lowers, order, quotes, ...one }) => ({
        ...one,
        order: { ...order, input: mayRead(access, one.tenant, order.private_to) ? order.input : null, private_to: [...order.private_to] },
        quotes: quotes.map(({ call, private_to, text, ...quote }) => ({
          ...quote,
          call: call ?? null,
          private_to: [...private_to],
          text: mayRead(access, one.tenant, private_to) ? text : null,
        })),
        ...(lowers === undefined ? {} : { lowers: lowersView(lowers) }),
        approvers: [...approvers],
        rules: [...rules],
        unusual: [...unusual],
        approved_by: [...approved_by],
        origins: origins.map(([path, origin]) => ({ path, origin })),
      }));
      return {
        items,
        next: found.length > limit && last !== undefined ? cursorTo(last) : null,
        ...(damaged.length === 0 ? {} : { damaged }),
      };
    },

    async decideApproval({ params, body }, { access, keep }) {
      const { run, call } = params;
      const { verdict, reason = '' } = body;
      const by = access.principal.id;
      const row = await decideOne(door, access, run, call, verdict, reason);
      keep({ operation: verdict, target: { run, call }, tenant: row.tenant, matched: [run] });
      return { run, call, verdict, by, missing: verdict === 'deny' ? 0 : await missing(run, call) };
    },

    async listQuarantines({ query }, { access }) {
      const tenant = access.some('quarantine.read', query.tenant);
      const items = host.quarantines().map((one) => view(one));
      // A quarantine for every tenant may be about a version of this one.
      return { items: tenant === undefined ? items : items.filter((one) => one.tenant === tenant || one.tenant === null) };
    },

    async putQuarantine({ body }, { access, keep }) {
      const { kind, reason } = body;
      const by = access.principal.id;
      const { name, tenant } = named(access, kind, body.name, body.tenant);
      mustKnow(access, kind, body.name, tenant);
      const own = kind === 'tenant' ? undefined : tenant;
      await host.quarantine(kind, name, by, reason, own);
      const matched = concerned({ kind, name }, tenant);
      keep({ target: targetOf(kind, name, tenant), tenant, matched });
      await settled(matched);
      const put = host.quarantines().find((one) => one.kind === kind && one.name === name && one.tenant === own);
      return view(put ?? { kind, name, by, reason, at: clock.now(), ...(own === undefined ? {} : { tenant: own }) });
    },

    async liftQuarantine({ params, query }, { access, keep }) {
      const { kind } = params;
      const by = access.principal.id;
      const { concerns, ...one } = standing(access, kind, params.name, query.tenant);
      await host.lift(kind, one.name, by, query.reason, one.tenant);
      const matched = concerned(one, concerns);
      keep({ target: targetOf(kind, one.name, concerns), tenant: concerns, matched });
      await settled(matched);
      return view({ by, reason: query.reason, at: clock.now(), ...one });
    },
  };

  /** An approver sees payloads that are public or private to them; a caller who may read payloads sees all. */
  function mayRead(access: Access, tenant: string, private_to: readonly string[]): boolean {
    if (private_to.length === 0 || access.may('run.payload', tenant)) return true;
    const { principal } = access;
    const names = people.namesOf(principal.id);
    const roles = settings.inForce().tenants[tenant]?.policies?.roles;
    const held = new Set<string>([...names, ...principal.roles, ...names.flatMap((name) => roles?.(name) ?? [])]);
    return private_to.every((name) => held.has(name));
  }

  async function missing(run: RunId, call: number): Promise<number> {
    const still = (await host.approvals({ run })).find((one) => one.call === call);
    return still === undefined ? 0 : Math.max(0, still.quorum - still.approved_by.length);
  }
}

/** Cursor of the next page: after a call of a run. */
const cursorTo = ({ run, call }: Pick<Approval, 'run' | 'call'>): string => Buffer.from(`${run} ${call}`).toString('base64url');

/** @throws CORRAL_REQUEST_INVALID */
function approvalAt(cursor: string): { readonly run: RunId; readonly call: number } {
  const [, run, call] = /^(run_[a-z0-9]+) (\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1')) ?? [];
  if (run === undefined) throw new CorralError('CORRAL_REQUEST_INVALID', 'The cursor is not one that a list here gave.');
  return { run: run as RunId, call: Number(call) };
}

/**
 * One person's decision about one call.
 * @throws CORRAL_RUN_UNKNOWN, CORRAL_RUN_STATE, CORRAL_APPROVER
 */
export async function decideOne(
  door: ServerContext,
  access: Access,
  run: RunId,
  call: number,
  verdict: 'approve' | 'deny',
  reason: string,
): Promise<RunRow> {
  const { host, people } = door;
  const by = access.principal.id;
  const row = findRun(door, access, 'approval.decide', run);
  if (row.ended_as !== null) throw new CorralError('CORRAL_RUN_STATE', `${run} has ended already: ${row.ended_as}.`);
  if (!people.behind(by).isDisjointFrom(people.behind(row.principal)))
    throw new CorralError('CORRAL_APPROVER', `${by} is behind ${run}, and so may not decide about its calls.`);
  await host.decide(run, call, by, verdict, reason, access.principal.roles);
  return row;
}

/** The target of a quarantine, as the record of operations names it. */
const targetOf = (kind: QuarantineKind, name: string, tenant: string | undefined) =>
  kind === 'version' ? { kind, name, tenant: tenant ?? ANY_TENANT } : { kind, name };

function lowersView({ kind, owner, of, label }: NonNullable<Approval['lowers']>) {
  return { kind, owner, of, influenced_by: [...label.influenced_by], private_to: [...label.private_to] };
}
