/** TokenTable, schedules, the configuration, and the state of the host itself. */
import { ANY_TENANT } from '@corral/protocol/api/roles';
import { CorralError } from '@corral/protocol/errors';
import type { ServerContext } from '../context.ts';
import type { Handlers } from './handler.ts';
import { VERSION } from '../../version.ts';

type Names =
  | 'makeToken'
  | 'listTokens'
  | 'revokeToken'
  | 'whoAmI'
  | 'makeSchedule'
  | 'listSchedules'
  | 'removeSchedule'
  | 'showConfig'
  | 'checkConfig'
  | 'applyConfig'
  | 'listConfigs'
  | 'configThen'
  | 'listPolicies'
  | 'showPolicies'
  | 'health'
  | 'ready';

/** Prefix of a caller on the socket: the machine's owner, who may read and write all files of this host anyway. */
const OWNER = 'user:';

export function peopleRoutes(door: ServerContext): Handlers<Names> {
  const { tokens, scheduler, settings, clock, submissions, db, people, archive } = door;
  return {
    async makeToken({ body }, { access, keep }) {
      const { principal } = access;
      let tenant: string;
      if (body.tenant === ANY_TENANT) {
        // Only a principal of the whole host may make tokens for the whole host.
        if (principal.tenant !== ANY_TENANT) access.one('token.write', ANY_TENANT);
        tenant = ANY_TENANT;
      } else tenant = access.one('token.write', body.tenant);
      if (!principal.id.startsWith(OWNER)) {
        if (people.isReserved(body.name))
          throw new CorralError(
            'CORRAL_FORBIDDEN',
            `The configuration gives token:${body.name} authority, so its token is made on the host's machine, over the socket.`,
          );
        if (body.person !== undefined)
          throw new CorralError('CORRAL_FORBIDDEN', '`person` can be set only on the host’s machine, over the socket.');
      }
      const now = clock.now();
      const expires_at = body.expires_in_ms === undefined ? null : now + body.expires_in_ms;
      return db.durably(() => {
        const made = tokens.make({ name: body.name, tenant, roles: body.roles, expires_at, person: body.person }, principal.id, now);
        const { token, name, roles, person } = made;
        keep({ target: { token, name, of: tenant, roles, expires_at, person }, tenant: tenant === ANY_TENANT ? undefined : tenant });
        return made;
      });
    },
    async listTokens({ query }, { access }) {
      return { items: tokens.list(access.some('token.read', query.tenant)) };
    },
    async revokeToken({ params }, { access, keep }) {
      const { tenant } = tokens.show(params.token);
      const allowed = tenant === ANY_TENANT ? access.principal.tenant === ANY_TENANT : access.may('token.write', tenant);
      if (!allowed) throw new CorralError('CORRAL_TOKEN_UNKNOWN', `There is no token ${params.token} here.`);
      return db.durably(() => {
        const revoked = tokens.revoke(params.token, clock.now());
        keep({ target: { token: revoked.token, name: revoked.name }, tenant: tenant === ANY_TENANT ? undefined : tenant });
        return revoked;
      });
    },
    async whoAmI(_, { access }) {
      const { id, tenant, roles, token } = access.principal;
      const { person, made_by } = people.identity(id) ?? {};
      return {
        principal: id,
        tenant,
        roles: [...roles],
        ...(token === undefined ? {} : { token }),
        ...(person === undefined ? {} : { person }),
        ...(made_by === undefined ? {} : { made_by }),
      };
    },
    async makeSchedule({ body }, { access, keep }) {
      const tenant = access.one('schedule.write', body.tenant);
      scheduler.nextOf(body.cron);
      // An input that no job would be taken with is refused now, and not at each scheduled time.
      const refusal = await submissions.inputRefusal({ tenant, agent: body.agent, input: body.input }, access.principal.id);
      if (refusal !== undefined) throw new CorralError('CORRAL_SCHEDULE_INVALID', `${body.agent} refuses this input: ${refusal}`);
      return db.durably(() => {
        const made = scheduler.make({ tenant, agent: body.agent, input: body.input, cron: body.cron }, access.principal.id);
        keep({ target: { schedule: made.schedule, agent: made.agent, cron: made.cron }, tenant });
        return made;
      });
    },
    async listSchedules({ query }, { access }) {
      return { items: scheduler.list(access.some('schedule.read', query.tenant)) };
    },
    async removeSchedule({ params }, { access, keep }) {
      const { tenant } = scheduler.show(params.schedule);
      if (!access.may('schedule.write', tenant))
        throw new CorralError('CORRAL_SCHEDULE_UNKNOWN', `There is no schedule ${params.schedule} here.`);
      return db.durably(() => {
        const removed = scheduler.remove(params.schedule);
        keep({ target: { schedule: removed.schedule, agent: removed.agent, cron: removed.cron }, tenant });
        return removed;
      });
    },
    async showConfig() {
      return settings.view;
    },
    async checkConfig() {
      return settings.check();
    },
    async applyConfig({ query }, { access, keep }) {
      return settings.apply(access.principal.id, clock.now(), keep, query.reason);
    },
    async listConfigs() {
      return { items: archive.configs() };
    },
    async configThen({ params }) {
      return archive.config(params.version);
    },
    async listPolicies({ query }, { access }) {
      return { items: archive.moves(access.some('policy.read', query.tenant)) };
    },
    async showPolicies({ params, query }, { access }) {
      return archive.policies(params.version, access.some('policy.read', query.tenant));
    },
    async health() {
      return { ok: true, version: VERSION };
    },
    async ready(_, { reply }) {
      const reasons = door.unready();
      const why = reasons[0]?.detail ?? null;
      if (why !== null) reply.code(503);
      return {
        ready: why === null,
        why,
        draining: door.draining(),
        runs: door.host.views().length,
        recovered: door.recovered(),
        config_refused: door.settings.refused !== undefined,
        reasons,
        degraded: door.degraded(),
      };
    },
  };
}
