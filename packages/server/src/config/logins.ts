/** The logins of a configuration. What knows MCP is loaded only where there are some. */
import { LoginStore } from '../people/login-store.ts';
import type { LoadOptions } from './load.ts';
import type { Logins } from './mcp.ts';
import type { Config } from './schema.ts';
import { rolesIn } from './secret-callers.ts';
import type { Vault } from './secrets.ts';

/** @returns by the name of the server */
export async function loginsIn(
  config: Config,
  vault: Vault,
  {
    logins: store = new LoginStore({ kept: () => undefined, now: Date.now }),
    accounts,
    resolveHost: resolve,
    tell = () => undefined,
  }: LoadOptions,
): Promise<Logins> {
  if (!Object.values(config.mcp).some((server) => 'url' in server && server.login !== undefined)) return new Map();
  const { loginsOf } = await import('./mcp.ts');
  const secret = (name: string) => vault.read(name);
  const hold = (account: string, values: readonly string[]) => vault.hold(account, values);
  return loginsOf(config.mcp, { store, secret, accounts, rolesOf: rolesIn(config), resolve, tell, hold });
}
