/**
 * One login at an MCP server: the tokens that its authorization server gave the host, and the host's care for them. They are sealed where they are
 * kept, renewed here for all calls at once, and given to requests to the server alone. Once the authorization server refuses to renew them they are
 * deleted, and each call ends in the same refusal, without a request, until somebody signs in again.
 */
import type { AuthorizationServerMetadata } from '@modelcontextprotocol/client';
import type { SealedTexts } from '@corral/protocol/ports/sealed';

/** Why calls need a login first, and the command that begins one. */
export class LoginNeeded extends Error {
  readonly next: string;
  constructor(why: string, next: string) {
    super(why);
    this.next = next;
  }
}
/** Why a login goes no further, in words that hold nothing of what the authorization server wrote but its code. */
export class LoginFailed extends Error {}
/** Why a caller gets no account, whoever signs in. */
export class LoginDenied extends Error {}
/** Why there is no token just now, although there is a login; later there may be one. */
export class LoginTrouble extends Error {}
/** The authorization server has said no. `code` is its word for why. */
export class LoginRefusal extends Error {
  readonly code: string;
  constructor(code: string) {
    super(`it was refused with ${code}`);
    this.code = code;
  }
}

export interface Tokens {
  readonly access_token: string;
  readonly refresh_token?: string | undefined;
  /** Seconds from now. */
  readonly expires_in?: number | undefined;
  readonly scope?: string | undefined;
}

/** A client that the authorization server registered for this host. */
export interface RegisteredClient {
  readonly client_id: string;
  readonly client_secret?: string | undefined;
  /** How it shows that secret. */
  readonly token_endpoint_auth_method?: string | undefined;
}

/** A login as it is kept. Times are milliseconds since 1970. */
export interface LoginRecord {
  /** The server that it is for. Another address in the configuration has no part in it. */
  readonly url: string;
  /** The resource that the tokens are bound to (RFC 8707). */
  readonly resource: string | undefined;
  readonly issuer: string;
  readonly metadata: AuthorizationServerMetadata | undefined;
  /** Where its tokens are revoked; undefined: that is not offered. */
  readonly revocation: string | undefined;
  /** Undefined: the client that the configuration names. */
  readonly client: RegisteredClient | undefined;
  readonly access_token: string;
  readonly refresh_token: string | undefined;
  readonly scope: string | undefined;
  /** When the token was got, and when it expires; undefined: the authorization server did not say. */
  readonly at: number;
  readonly expires_at: number | undefined;
  readonly by: string;
}

/** The rest of a login that a refusal ended, or that cannot be read. */
interface Ended {
  readonly issuer: string | null;
  readonly ended: string;
  readonly at: number | null;
}

/** Requests to the authorization server of a login. */
export interface AuthorizationServer {
  /** @throws LoginRefusal if it refuses; any other error if it cannot be asked, or does not say */
  renew(record: LoginRecord): Promise<Tokens>;
  /** @returns whether it offers to revoke tokens; those of the record are revoked then. @throws if it could not be asked */
  revoke(record: LoginRecord): Promise<boolean>;
}

/** A login as the configuration has it now. */
export interface LoginPlace {
  readonly url: string;
  /** The only authorization server that may have given the tokens; undefined: any. */
  readonly issuer: string | undefined;
  /** The command by which somebody signs in. */
  readonly next: string;
}

/** For whom a token is wanted, and how it is renewed. */
export interface LoginUse extends LoginPlace {
  readonly server: AuthorizationServer;
  /** Told which values are secrets, before one of them is given out. */
  readonly hold: (values: readonly string[]) => void;
  /** Told once when nobody is signed in any more. */
  readonly lost: (why: string) => void;
}

export interface LoginView {
  readonly issuer: string | null;
  readonly by: string | null;
  readonly at: number | null;
  readonly expires_at: number | null;
  readonly renews: boolean;
  readonly why: string | null;
}

/** A token is renewed this long before it expires, and not earlier than in the last tenth of its life. */
const EARLY_MS = 30_000;
const EARLY_SHARE = 10;
/** Waits after failures in a row to ask an authorization server. */
const BACKOFF_MS = 1_000;
const BACKOFF_MOST_MS = 60_000;
/** A server that refuses a token which was just renewed is not asked with another one before this. */
const REFUSED_MS = 30_000;

/** Words of RFC 6749, 3.3. */
const SCOPE = /^[!#-[\]-~]+( [!#-[\]-~]+)*$/;
const SCOPE_CHARS = 500;

const NOBODY = 'nobody is signed in there';

export class Login {
  readonly #name: string;
  readonly #kept: () => SealedTexts | undefined;
  readonly #now: () => number;
  /** Undefined: it was not read yet. Null: there is none. */
  #state: LoginRecord | Ended | null | undefined;
  #unwritten = false;
  #wanted: string | undefined;
  #renewing: Promise<string> | undefined;
  #failures = 0;
  #notBefore = 0;
  /** When a token that the server had refused was renewed. */
  #renewedAfterRefusal = Number.NEGATIVE_INFINITY;

  /**
   * @param name under which it is kept
   * @param kept undefined while the host is being built, and where there is no host: then nobody is signed in
   */
  constructor(name: string, kept: () => SealedTexts | undefined, now: () => number) {
    this.#name = name;
    this.#kept = kept;
    this.#now = now;
  }

  view(place: LoginPlace): LoginView {
    const state = this.#read();
    const why = this.#whyNot(place) ?? null;
    if (state === null) return { issuer: null, by: null, at: null, expires_at: null, renews: false, why };
    if ('ended' in state) return { issuer: state.issuer, by: null, at: state.at, expires_at: null, renews: false, why };
    const { issuer, by, at, expires_at = null, refresh_token } = state;
    return { issuer, by, at, expires_at, renews: refresh_token !== undefined, why };
  }

  /** A token for a request to the server. @throws LoginNeeded, LoginTrouble */
  async token(use: LoginUse): Promise<string> {
    const record = this.#record(use);
    if (this.#unwritten) this.#write(record);
    use.hold(secretsOf(record));
    const { at, expires_at, access_token, refresh_token } = record;
    if (expires_at === undefined || refresh_token === undefined) return access_token;
    if (this.#now() < expires_at - Math.min(EARLY_MS, (expires_at - at) / EARLY_SHARE)) return access_token;
    try {
      return await this.#renewed(record, use);
    } catch (error) {
      if (error instanceof LoginTrouble && this.#now() < expires_at) return access_token;
      throw error;
    }
  }

  /**
   * The server has refused a token (401): another one is got, unless somebody has done that meanwhile.
   * @throws LoginNeeded, LoginTrouble
   */
  async refused(token: string | undefined, use: LoginUse): Promise<void> {
    const record = this.#record(use);
    if (record.access_token !== token) return;
    if (record.refresh_token === undefined) throw this.#ended(record, 'the server does not accept its token any more', use);
    if (this.#now() - this.#renewedAfterRefusal < REFUSED_MS)
      throw new LoginTrouble('the server does not accept a token that was just renewed');
    await this.#renewed(record, use);
    this.#renewedAfterRefusal = this.#now();
  }

  /** The server has refused a request because nobody has agreed to it (RFC 6750, 3.1). The next login asks for it. */
  lacking(scope: string | undefined, next: string): LoginNeeded {
    const isScope = scope !== undefined && scope.length <= SCOPE_CHARS && SCOPE.test(scope);
    if (isScope) this.#wanted = scope;
    return new LoginNeeded(`the login is for less than the server wants${isScope ? ` (${scope})` : ''}`, next);
  }

  /** The scope that the next login asks for besides its own: that of this one, and the missing one. Undefined: none was missing. */
  get wanted(): string | undefined {
    return this.#wanted === undefined ? undefined : `${this.record?.scope ?? ''} ${this.#wanted}`.trim();
  }

  /** Somebody has signed in. @throws CORRAL_DISK_FULL, and then nothing has changed */
  keep(record: LoginRecord): void {
    this.#texts.put(this.#name, JSON.stringify(record));
    this.#state = record;
    this.#unwritten = false;
    this.#failures = 0;
    this.#notBefore = 0;
    this.#renewedAfterRefusal = Number.NEGATIVE_INFINITY;
    this.#wanted = undefined;
  }

  /** The login that is kept. */
  get record(): LoginRecord | undefined {
    const state = this.#read();
    return state === null || 'ended' in state ? undefined : state;
  }

  /** Deletes what is kept. */
  forget(): void {
    this.#texts.remove(this.#name);
    this.#state = null;
    this.#unwritten = false;
  }

  #read(): LoginRecord | Ended | null {
    if (this.#state === undefined) {
      const kept = this.#kept();
      if (kept === undefined) return null;
      this.#state = readFrom(kept, this.#name);
    }
    return this.#state;
  }

  get #texts(): SealedTexts {
    const kept = this.#kept();
    if (kept === undefined) throw new Error('a login is kept by a host, and there is none');
    return kept;
  }

  #whyNot({ url, issuer }: LoginPlace): string | undefined {
    const state = this.#read();
    if (state === null) return NOBODY;
    if ('ended' in state) return state.ended;
    const { origin } = new URL(state.url);
    if (origin !== new URL(url).origin) return `the login is one for ${origin}`;
    if (issuer !== undefined && state.issuer !== issuer)
      return 'the login is one of another authorization server than the configuration names';
    if (state.refresh_token === undefined && state.expires_at !== undefined && this.#now() >= state.expires_at)
      return 'its token has expired, and there is none to renew it with';
    return undefined;
  }

  #record(place: LoginPlace): LoginRecord {
    const why = this.#whyNot(place);
    if (why !== undefined) throw new LoginNeeded(why, place.next);
    return this.#read() as LoginRecord;
  }

  /** All calls that need another token wait for the same request: a refresh token may be good once. */
  #renewed(record: LoginRecord, use: LoginUse): Promise<string> {
    return (this.#renewing ??= this.#renew(record, use).finally(() => (this.#renewing = undefined)));
  }

  async #renew(record: LoginRecord, use: LoginUse): Promise<string> {
    const wait_ms = this.#notBefore - this.#now();
    if (wait_ms > 0)
      throw new LoginTrouble(`its authorization server could not be asked; it is asked again in ${Math.ceil(wait_ms / 1_000)} s`);
    let tokens: Tokens;
    try {
      tokens = await use.server.renew(record);
    } catch (error) {
      if (this.#state !== record) return this.#record(use).access_token;
      if (error instanceof LoginRefusal) throw this.#ended(record, `its authorization server refused to renew it (${error.code})`, use);
      this.#notBefore = this.#now() + Math.min(BACKOFF_MS * 2 ** this.#failures, BACKOFF_MOST_MS);
      this.#failures += 1;
      throw new LoginTrouble('its authorization server could not be asked');
    }
    this.#failures = 0;
    const next = { ...record, ...timed(tokens, this.#now()) };
    const renewed = { ...next, refresh_token: next.refresh_token ?? record.refresh_token, scope: next.scope ?? record.scope };
    use.hold(secretsOf(renewed));
    if (this.#state !== record) {
      // Somebody signed in or out meanwhile. These tokens are kept nowhere, so nobody could revoke them later.
      await use.server.revoke(renewed).catch(() => undefined);
      return this.#record(use).access_token;
    }
    this.#write(renewed);
    return renewed.access_token;
  }

  /** A token that was renewed may have replaced the one before, so it counts although it could not be written yet. */
  #write(record: LoginRecord): void {
    this.#state = record;
    try {
      this.#texts.put(this.#name, JSON.stringify(record));
      this.#unwritten = false;
    } catch {
      this.#unwritten = true;
    }
  }

  #ended({ issuer }: LoginRecord, why: string, use: LoginUse): LoginNeeded {
    const state: Ended = { issuer, ended: why, at: this.#now() };
    this.#state = state;
    try {
      this.#texts.put(this.#name, JSON.stringify(state));
    } catch {
      // A host that starts again asks its authorization server once more, and is refused once more.
    }
    use.lost(why);
    return new LoginNeeded(why, use.next);
  }
}

/** A login that cannot be read, by the keys that the host has, is none. */
function readFrom(kept: SealedTexts, name: string): LoginRecord | Ended | null {
  try {
    const text = kept.get(name);
    return text === undefined ? null : (JSON.parse(text) as LoginRecord | Ended);
  } catch {
    return { issuer: null, ended: 'the login that is kept cannot be read with the keys of this host', at: null };
  }
}

/** Tokens with their times. */
export const timed = ({ access_token, refresh_token, expires_in, scope }: Tokens, now: number) => ({
  access_token,
  refresh_token,
  scope,
  at: now,
  expires_at: expires_in === undefined ? undefined : now + expires_in * 1_000,
});

/** The parts of a login that are in no text. */
const secretsOf = ({ access_token, refresh_token, client }: LoginRecord): string[] =>
  [access_token, refresh_token, client?.client_secret].filter((one) => one !== undefined);

/**
 * The parameters of an answer; undefined: it is not an answer to this login. One that came to another address was meant for another client, and one
 * with another state was made by somebody else (RFC 6749, 10.12).
 */
export function answersTo(
  { redirect, state }: { readonly redirect: string; readonly state: string },
  answer: string,
): URLSearchParams | undefined {
  const [at, said] = [URL.parse(redirect), URL.parse(answer)];
  if (at === null || said === null || said.origin !== at.origin || said.pathname !== at.pathname) return undefined;
  const [own, ...others] = said.searchParams.getAll('state');
  return own === state && others.length === 0 ? said.searchParams : undefined;
}
