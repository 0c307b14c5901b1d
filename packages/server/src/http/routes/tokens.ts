/** Tokens of people, and who a caller is. */
import { ANY_TENANT, type Principal } from '@corral/protocol/api/roles';
import type { RouteReply } from '@corral/protocol/api/routes';
import { CorralError } from '@corral/protocol/errors';
import type { Persons } from '../../people/persons.ts';
import type { ServerContext } from '../context.ts';
import type { Handlers } from './handler.ts';

/** Prefix of a caller on the socket: the machine's owner, who may read and write all files of this host anyway. */
const OWNER = 'user:';

export function tokenRoutes({ tokens, clock, db, people }: ServerContext): Handlers<'makeToken' | 'listTokens' | 'revokeToken' | 'whoAmI'> {
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
    async revokeToken({ params, query }, { access, keep }) {
      const { tenant } = tokens.show(params.token);
      const allowed = tenant === ANY_TENANT ? access.principal.tenant === ANY_TENANT : access.may('token.write', tenant);
      if (!allowed) throw new CorralError('CORRAL_TOKEN_UNKNOWN', `There is no token ${params.token} here.`);
      if (query.dryRun) {
        keep.skip();
        const token = tokens.show(params.token);
        return { ...token, revoked_at: token.revoked_at ?? clock.now() };
      }
      return db.durably(() => {
        const revoked = tokens.revoke(params.token, clock.now());
        keep({ target: { token: revoked.token, name: revoked.name }, tenant: tenant === ANY_TENANT ? undefined : tenant });
        return revoked;
      });
    },
    async whoAmI(_, { access }) {
      return selfView(people, access.principal);
    },
  };
}

/** The identity of a caller, for the caller. */
export function selfView(people: Pick<Persons, 'identity'>, { id, tenant, roles, token }: Principal): RouteReply<'whoAmI'> {
  const { person, made_by } = people.identity(id) ?? {};
  return {
    principal: id,
    tenant,
    roles: [...roles],
    ...(token === undefined ? {} : { token }),
    ...(person === undefined ? {} : { person }),
    ...(made_by === undefined ? {} : { made_by }),
  };
}
