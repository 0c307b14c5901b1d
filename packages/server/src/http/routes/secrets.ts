/** Secrets: listed without their values, revoked and restored. */
import { CorralError } from '@corral/protocol/errors';
import type { RouteReply } from '@corral/protocol/api/routes';
import type { Vault } from '../../config/secrets.ts';
import type { Accounts } from '../../people/accounts.ts';
import type { ServerContext } from '../context.ts';
import type { Handlers } from './handler.ts';

export function secretRoutes({ accounts, settings, clock, db }: ServerContext): Handlers<'listSecrets' | 'revokeSecret' | 'restoreSecret'> {
  const all = () => settings.inForce().vault.accounts();
  const one = async (account: string) => {
    const found = (await all()).find((each) => each.account === account);
    if (found === undefined) throw new CorralError('CORRAL_SECRET_UNKNOWN', `The configuration has no account ${account}.`);
    return found;
  };
  return {
    async listSecrets() {
      return { items: (await all()).map((each) => viewOf(each, accounts, clock.now())) };
    },
    async revokeSecret({ body: { account, reason, dryRun } }, { access, keep }) {
      const found = await one(account);
      const revoked = { by: access.principal.id, at: clock.now(), reason };
      if (dryRun) {
        keep.skip();
        return { ...viewOf(found, accounts, clock.now()), revoked, in_force: false };
      }
      db.durably(() => {
        accounts.revoke(account, revoked);
        keep({ target: { account }, reason });
      });
      return viewOf(found, accounts, clock.now());
    },
    async restoreSecret({ body: { account, reason } }, { keep }) {
      const found = await one(account);
      db.durably(() => {
        accounts.restore(account);
        keep({ target: { account }, reason });
      });
      return viewOf(found, accounts, clock.now());
    },
  };
}

type Account = Awaited<ReturnType<Vault['accounts']>>[number];

function viewOf({ name, account, ref, isThere }: Account, accounts: Accounts, now: number): RouteReply<'revokeSecret'> {
  const { used_at = null, used_by = null, revoked = null } = accounts.facts(account);
  const expires_at = ref.expires === undefined ? null : Date.parse(ref.expires);
  return {
    secret: name,
    account,
    for: ref.for ?? null,
    is_there: isThere,
    expires_at,
    used_at,
    used_by,
    revoked,
    in_force: isThere && revoked === null && (expires_at === null || now < expires_at),
  };
}
