/**
 * The logins at one MCP server of a configuration: which of them a call has, by the bindings of secrets; and how somebody signs in and out. The tokens
 * belong to the host and outlive configurations; what is here ends with its own.
 */
import type { ToolCall } from '@corral/protocol/ports/tool';
import {
  authorizationServer,
  bearer,
  beginLogin,
  finishLogin,
  type Bearer,
  type BegunLogin,
  type ClientTerms,
} from '@corral/tools/mcp/authorization';
import {
  LoginDenied,
  LoginNeeded,
  type Login,
  type LoginPlace,
  type LoginRecord,
  type LoginUse,
  type LoginView,
} from '@corral/tools/mcp/login';
import type { Accounts } from '@corral/tools/mcp/source';
import type { Fetch } from '@corral/tools/net/guarded';
import type { LoginStore } from '../people/login-store.ts';
import type { McpLogin, McpServer } from './mcp-schema.ts';
import { accountFor, type Caller, type RolesOf } from './secret-callers.ts';
import type { AccountRecord } from './secrets.ts';
import type { Bound } from './secrets-schema.ts';

type Server = Extract<McpServer, { readonly url: string }> & { readonly login: McpLogin };

export interface LoginPowers {
  readonly store: LoginStore;
  readonly secret: (name: string) => Promise<string>;
  readonly accounts: AccountRecord | undefined;
  readonly rolesOf: RolesOf;
  /** Makes requests to the authorization server, which end in time. */
  readonly fetch: Fetch;
  /** Makes requests to the server. */
  readonly requests: Fetch;
  /** Takes values of an account for secrets from now on. */
  readonly hold: (account: string, values: readonly string[]) => void;
  /** Nobody is signed in at an account any more. */
  readonly lost: (text: string) => void;
}

/** One account, for lists. */
export interface LoginAccount {
  readonly server: string;
  readonly name: string;
  readonly account: string;
  readonly for: Bound | undefined;
  readonly view: LoginView;
}

/** The name of the account of a server that names none. */
const HOST = 'host';

export class ServerLogins implements Accounts {
  readonly #name: string;
  readonly #server: Server;
  readonly #powers: LoginPowers;
  readonly #listeners = new Set<(account: string) => void>();
  /** By name. */
  readonly #said: readonly { readonly name: string; readonly for?: Bound }[];

  constructor(name: string, server: Server, powers: LoginPowers) {
    this.#name = name;
    this.#server = server;
    this.#powers = powers;
    const { accounts = { [HOST]: {} } } = server.login;
    this.#said = Object.entries(accounts).map(([own, said]) => ({ name: own, ...said }));
  }

  get url(): string {
    return this.#server.url;
  }

  get names(): readonly string[] {
    return this.#said.map(({ name }) => name);
  }

  /** As lists and acts name it: `crm:login:host`. */
  accountOf(name: string): string {
    return `${this.#name}:login:${name}`;
  }

  for(call: Pick<ToolCall, 'tenant' | 'agent' | 'person'>): string {
    const { accounts, rolesOf } = this.#powers;
    const said = accountFor(this.#said, call, rolesOf);
    if (said === undefined)
      throw new LoginDenied(`the MCP server ${this.#name} has no login for the agent ${call.agent} that acts for ${call.person}`);
    this.#mayBeUsed(said.name);
    const why = this.#why(said.name);
    if (why !== undefined) throw new LoginNeeded(why, this.#place(said.name).next);
    accounts?.used(this.accountOf(said.name), call satisfies Caller);
    return said.name;
  }

  listing(): string | undefined {
    return this.names.find((name) => this.#why(name) === undefined && this.#revoked(name) === undefined);
  }

  needed(): readonly string[] {
    return this.names.filter((name) => this.#why(name) !== undefined);
  }

  onChange(listener: (account: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  list(): readonly LoginAccount[] {
    return this.#said.map(({ name, for: bound }) => ({
      server: this.#name,
      name,
      account: this.accountOf(name),
      for: bound,
      view: this.#login(name).view(this.#place(name)),
    }));
  }

  /** The tokens of an account for the requests of one connection. A revocation of the account holds from the next request. */
  provider(name: string): Bearer {
    const own = bearer(this.#login(name), this.#use(name), this.#powers.requests);
    return {
      ...own,
      token: async () => {
        this.#mayBeUsed(name);
        return own.token();
      },
    };
  }

  /** @param state that nobody can guess, by which the answer is known @throws LoginFailed */
  async begin(name: string, redirect: string, state: string): Promise<BegunLogin> {
    const terms = { ...(await this.#terms()), wanted: this.#login(name).wanted };
    return beginLogin(terms, redirect, state, this.#powers.fetch);
  }

  /** @param answer whose state is right @throws LoginFailed */
  async finish(begun: BegunLogin, answer: URLSearchParams, by: string): Promise<LoginRecord> {
    const { fetch, store } = this.#powers;
    return finishLogin(begun, answer, { fetch, by, now: store.now });
  }

  /** Somebody is signed in from now on. @throws CORRAL_DISK_FULL, and then nothing has changed */
  keep(name: string, record: LoginRecord): void {
    this.#login(name).keep(record);
    this.#tell(name);
  }

  /** The effect that the end of a login would have at its authorization server. */
  wouldEnd(name: string): 'yes' | 'not-offered' | 'nothing' {
    const { record } = this.#login(name);
    if (record === undefined) return 'nothing';
    return record.revocation === undefined ? 'not-offered' : 'yes';
  }

  /** Forgets the tokens, and then revokes them. @returns what the authorization server did */
  async end(name: string): Promise<'yes' | 'not-offered' | 'failed' | 'nothing'> {
    const login = this.#login(name);
    const { record } = login;
    login.forget();
    this.#tell(name);
    if (record === undefined) return 'nothing';
    try {
      return (await this.#asked().revoke(record)) ? 'yes' : 'not-offered';
    } catch {
      return 'failed';
    }
  }

  #tell(name: string): void {
    for (const listener of this.#listeners) listener(name);
  }

  #login(name: string): Login {
    return this.#powers.store.at(this.accountOf(name));
  }

  #place(name: string): LoginPlace {
    const next = `corral tools login ${this.#name}${this.#said.length > 1 ? ` --account ${name}` : ''}`;
    return { url: this.url, issuer: this.#server.login.issuer, next };
  }

  #why(name: string): string | undefined {
    return this.#login(name).view(this.#place(name)).why ?? undefined;
  }

  #revoked(name: string): string | undefined {
    return this.#powers.accounts?.revoked(this.accountOf(name));
  }

  /** @throws LoginDenied */
  #mayBeUsed(name: string): void {
    const revoked = this.#revoked(name);
    if (revoked !== undefined) throw new LoginDenied(`the login ${this.accountOf(name)} was revoked ${revoked}`);
  }

  async #terms(): Promise<Omit<ClientTerms, 'wanted'>> {
    const { url, login } = this.#server;
    const { issuer, client_id, client_secret, client_document, scope } = login;
    const secret = client_secret === undefined ? undefined : await this.#powers.secret(client_secret);
    return { url, issuer, client: client_id === undefined ? undefined : { id: client_id, secret }, document: client_document, scope };
  }

  #asked() {
    const client = async () => {
      const { client: own } = await this.#terms();
      return own && { client_id: own.id, ...(own.secret === undefined ? {} : { client_secret: own.secret }) };
    };
    return authorizationServer(client, this.#powers.fetch);
  }

  #use(name: string): LoginUse {
    const { hold, lost } = this.#powers;
    const account = this.accountOf(name);
    const place = this.#place(name);
    return {
      ...place,
      server: this.#asked(),
      hold: (values) => hold(account, values),
      lost: (why) => lost(`The MCP server ${this.#name} needs a login: ${why}. Sign in: \`${place.next}\`.`),
    };
  }
}
