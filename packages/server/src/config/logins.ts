/** The logins of a configuration. The part that knows MCP is loaded only where there are some. */
import type { ToolNews } from '@corral/tools/host/keeper';
import type { Resolve } from '@corral/tools/net/guarded';
import { LoginStore } from '../people/login-store.ts';
import type { Logins } from './mcp.ts';
import type { Config } from './schema.ts';
import { rolesIn } from './secret-callers.ts';
import type { AccountRecord, Vault } from './secrets.ts';

interface LoginOptions {
  /** Left out: nobody is signed in anywhere. */
  readonly logins?: LoginStore | undefined;
  readonly accounts?: AccountRecord | undefined;
  readonly resolveHost?: Resolve | undefined;
  readonly tell?: (news: ToolNews) => void;
}

/** @returns by the name of the server */
export async function loginsIn(config: Config, vault: Vault, options: LoginOptions): Promise<Logins> {
  if (!Object.values(config.mcp).some((server) => 'url' in server && server.login !== undefined)) return new Map();
  const { logins: store = new LoginStore({ kept: () => undefined, now: Date.now }), accounts, resolveHost: resolve } = options;
  const { loginsOf } = await import('./mcp.ts');
  const secret = (name: string) => vault.read(name);
  const hold = (account: string, values: readonly string[]) => vault.hold(account, values);
  const tell = options.tell ?? (() => undefined);
  return loginsOf(config.mcp, { store, secret, accounts, rolesOf: rolesIn(config), resolve, tell, hold });
}
