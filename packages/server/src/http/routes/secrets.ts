/** Credentials: secrets and logins, listed without their values, revoked and restored. */
import { CorralError } from '@corral/protocol/errors';
import type { RouteReply } from '@corral/protocol/api/routes';
import type { Vault } from '../../config/secrets.ts';
import type { LoginAccount } from '../../config/mcp-logins.ts';
import type { LoadedConfig } from '../../config/load.ts';
import type { Accounts } from '../../people/accounts.ts';
import type { ServerContext } from '../context.ts';
import type { Handlers } from './handler.ts';

export function secretRoutes({ accounts, settings, clock, db }: ServerContext): Handlers<'listSecrets' | 'revokeSecret' | 'restoreSecret'> {
  const all = () => credentialsOf(settings.inForce());
  const one = async (account: string) => {
    const found = (await all()).find((each) => each.account === account);
    if (found === undefined) throw new CorralError('CORRAL_SECRET_UNKNOWN', `The configuration has no account ${account}.`);
    return found;
  };
  return {
    async listSecrets() {
      return { items: (await all()).map((each) => credentialView(each, accounts, clock.now())) };
    },
    async revokeSecret({ body: { account, reason, dryRun } }, { access, keep }) {
      const found = await one(account);
      const revoked = { by: access.principal.id, at: clock.now(), reason };
      if (dryRun) {
        keep.skip();
        return { ...credentialView(found, accounts, clock.now()), revoked, in_force: false };
      }
      db.durably(() => {
        accounts.revoke(account, revoked);
        keep({ target: { account }, reason });
      });
      return credentialView(found, accounts, clock.now());
    },
    async restoreSecret({ body: { account, reason } }, { keep }) {
      const found = await one(account);
      db.durably(() => {
        accounts.restore(account);
        keep({ target: { account }, reason });
      });
      return credentialView(found, accounts, clock.now());
    },
  };
}

type Secret = Awaited<ReturnType<Vault['accounts']>>[number];
type Credential = Secret | LoginAccount;

async function credentialsOf({ vault, logins }: LoadedConfig): Promise<Credential[]> {
  return [...(await vault.accounts()), ...[...logins.values()].flatMap((one) => one.list())];
}

export function credentialView(of: Credential, accounts: Accounts, now: number): RouteReply<'revokeSecret'> {
  const { used_at = null, used_by = null, revoked = null } = accounts.facts(of.account);
  const common = { account: of.account, used_at, used_by, revoked };
  if ('view' in of) {
    const { expires_at, ...login } = of.view;
    const is_there = login.why === null;
    return { ...common, secret: of.server, for: of.for ?? null, is_there, expires_at, in_force: is_there && revoked === null, login };
  }
  const { name, ref, isThere } = of;
  const expires_at = ref.expires === undefined ? null : Date.parse(ref.expires);
  return {
    ...common,
    secret: name,
    for: ref.for ?? null,
    is_there: isThere,
    expires_at,
    in_force: isThere && revoked === null && (expires_at === null || now < expires_at),
    login: null,
  };
}
