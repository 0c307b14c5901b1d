/**
 * Signing in at the console by an issuer: OpenID Connect's authorization code flow with PKCE. State, nonce and verifier are kept here for some minutes,
 * under the digest of a secret that only the browser has which began, in a cookie; so a link that somebody else began signs nobody in. At its end the
 * page is handed a code of this host, good once, for a minute and in the same browser, for which it gets a session.
 *
 * Sources: OpenID Connect Core 1.0, section 3.1; RFC 7636 (PKCE); RFC 9207 (the issuer's name in the answer); RFC 9700 (best current practice)
 */
import { hash } from 'node:crypto';
import * as oauth from 'oauth4webapi';
import type { Principal } from '@corral/protocol/api/roles';
import { CorralError } from '@corral/protocol/errors';
import { SESSIONS } from '@corral/protocol/limits';
import type { Random } from '@corral/protocol/ports/machine';
import type { Issuer } from '../config/issuers.ts';
import { durationMs, type Config } from '../config/schema.ts';
import type { Authenticator } from './authenticate.ts';

/** Path to which an issuer sends browsers back; with `door.url` it is the redirect URI that the issuer must know. */
export const RETURN_PATH = '/sign-in/done';
const CONSOLE = '/console/';
/** Time that an issuer's server has to answer. */
const ANSWER_MS = 5_000;
const CODE_MS = 60_000;

/** Why a person is not signed in; the page says each in words. */
export type SignInRefusal = 'declined' | 'again' | 'refused' | 'unreachable';

/** A sign-in that an issuer has been asked for. */
interface Underway {
  readonly issuer: string;
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  /** The page to come back to. */
  readonly to: string;
  readonly expires_at: number;
}

/** A person whom an issuer has named, for whom the page has not got its session yet. */
interface Known {
  readonly browser: string;
  readonly principal: Principal;
  readonly expires_at: number;
}

export interface SignInParts {
  readonly config: () => Config;
  /** Reads a secret of the configuration in force. */
  readonly secret: (name: string) => Promise<string>;
  readonly authenticator: Pick<Authenticator, 'named'>;
  readonly random: Random;
  readonly now: () => number;
  readonly log: (message: string) => void;
}

type Offered = Issuer & { readonly sign_in: NonNullable<Issuer['sign_in']> };

export class SignIns {
  readonly #parts: SignInParts;
  /** By the digest of the browser's secret, the oldest first. */
  readonly #underway = new Map<string, Underway>();
  /** By the digest of the code. */
  readonly #known = new Map<string, Known>();
  readonly #servers = new Map<string, Promise<oauth.AuthorizationServer>>();

  constructor(parts: SignInParts) {
    this.#parts = parts;
  }

  /** Names of the issuers by which people may sign in, in the order of the configuration. */
  get offers(): readonly string[] {
    return this.#offered.map(({ sign_in, issuer }) => sign_in.name ?? new URL(issuer).host);
  }

  /** A configuration was applied: what was begun by the last one is over. */
  readonly reconfigured = (): void => {
    this.#underway.clear();
    this.#known.clear();
    this.#servers.clear();
  };

  /**
   * Begins a sign-in.
   * @param which position among `offers` @param browser the secret in its cookie @param to the page to come back to, which may be anything
   * @returns the address at the issuer, or why there is none
   */
  async begin(which: number, browser: string, to: string | undefined): Promise<URL | SignInRefusal> {
    const offered = this.#offered[which];
    if (offered === undefined) throw new CorralError('CORRAL_ROUTE_UNKNOWN', 'This Corral offers no such sign-in.');
    const server = await this.#serverOf(offered).catch((error: unknown) => this.#failed(offered, error));
    if (typeof server === 'string') return server;
    if (server.authorization_endpoint === undefined) return this.#failed(offered, new Error('it names no authorization endpoint'));
    const [state, nonce, verifier] = [this.#secret(), this.#secret(), this.#secret()];
    const { now } = this.#parts;
    this.#keep(this.#underway, digest(browser), {
      issuer: offered.issuer,
      state,
      nonce,
      verifier,
      to: ownPage(to),
      expires_at: now() + SESSIONS.sign_in_ms.default,
    });
    const url = new URL(server.authorization_endpoint);
    const asked = {
      client_id: offered.sign_in.client,
      redirect_uri: this.#redirect,
      response_type: 'code',
      scope: offered.sign_in.scope,
      state,
      nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    };
    for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
    return url;
  }

  /**
   * Ends a sign-in with what the browser brings back. It was begun by this browser, or it is refused; it ends once, however it ends.
   * @returns the page to go to and a code for it, or why the person is not signed in
   */
  async end(browser: string | undefined, answer: URLSearchParams): Promise<{ readonly to: string; readonly code: string } | SignInRefusal> {
    const { now, authenticator } = this.#parts;
    const key = browser === undefined ? '' : digest(browser);
    const begun = this.#underway.get(key);
    this.#underway.delete(key);
    if (begun === undefined || browser === undefined || now() >= begun.expires_at) return 'again';
    const offered = this.#offered.find(({ issuer }) => issuer === begun.issuer);
    if (offered === undefined) return 'again';
    const token = await this.#exchanged(offered, begun, answer);
    if ('refusal' in token) return token.refusal;
    try {
      const { expires_at: _, ...principal } = await authenticator.named(token.id_token, offered.issuer, offered.sign_in.client);
      const until = now() + durationMs(offered.sign_in.session);
      const code = this.#secret();
      this.#keep(this.#known, digest(code), {
        browser: digest(browser),
        principal: { ...principal, expires_at: until },
        expires_at: now() + CODE_MS,
      });
      return { to: begun.to, code };
    } catch (error) {
      this.#failed(offered, error);
      return 'refused';
    }
  }

  /** The person for whom a code stands, in the browser that got it, once. */
  redeem(code: string, browser: string | undefined): Principal | undefined {
    const key = digest(code);
    const known = this.#known.get(key);
    if (known === undefined) return undefined;
    this.#known.delete(key);
    if (browser === undefined || known.browser !== digest(browser) || this.#parts.now() >= known.expires_at) return undefined;
    return known.principal;
  }

  /** Exchanges the issuer's code for its token about the person. */
  async #exchanged(
    offered: Offered,
    { state, nonce, verifier }: Underway,
    answer: URLSearchParams,
  ): Promise<{ readonly id_token: string } | { readonly refusal: SignInRefusal }> {
    const client: oauth.Client = { client_id: offered.sign_in.client };
    const server = await this.#serverOf(offered).catch((error: unknown) => this.#failed(offered, error));
    if (typeof server === 'string') return { refusal: server };
    let checked: URLSearchParams;
    try {
      checked = oauth.validateAuthResponse(server, client, answer, state);
    } catch (error) {
      if (!(error instanceof oauth.AuthorizationResponseError)) return { refusal: 'again' };
      this.#failed(offered, error);
      return { refusal: error.error === 'access_denied' ? 'declined' : 'refused' };
    }
    try {
      const auth = await this.#clientAuth(offered, server);
      const response = await oauth.authorizationCodeGrantRequest(
        server,
        client,
        auth,
        checked,
        this.#redirect,
        verifier,
        optionsFor(offered),
      );
      const result = await oauth.processAuthorizationCodeResponse(server, client, response, { expectedNonce: nonce, requireIdToken: true });
      return { id_token: result.id_token ?? '' };
    } catch (error) {
      this.#failed(offered, error);
      return { refusal: isUnreachable(error) ? 'unreachable' : 'refused' };
    }
  }

  async #clientAuth({ sign_in }: Offered, server: oauth.AuthorizationServer): Promise<oauth.ClientAuth> {
    if (sign_in.secret === undefined) return oauth.None();
    const secret = await this.#parts.secret(sign_in.secret);
    const methods = server.token_endpoint_auth_methods_supported;
    // An issuer that names no method takes the first one (OpenID Connect Discovery 1.0, section 3).
    return methods === undefined || methods.includes('client_secret_basic')
      ? oauth.ClientSecretBasic(secret)
      : oauth.ClientSecretPost(secret);
  }

  /** An issuer's addresses. A request that failed is made again the next time. */
  #serverOf(offered: Offered): Promise<oauth.AuthorizationServer> {
    const known = this.#servers.get(offered.issuer);
    if (known !== undefined) return known;
    const issuer = new URL(offered.issuer);
    const found = (async () => {
      const response = await oauth.discoveryRequest(issuer, { algorithm: 'oidc', ...optionsFor(offered) });
      return oauth.processDiscoveryResponse(issuer, response);
    })();
    this.#servers.set(offered.issuer, found);
    found.catch(() => this.#servers.delete(offered.issuer));
    return found;
  }

  /** The log says what the person is not told: it may name addresses, and what of a token did not fit. */
  #failed({ issuer }: Offered, error: unknown): 'unreachable' {
    const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : '';
    this.#parts.log(`A sign-in by ${issuer} failed: ${error instanceof Error ? error.message : String(error)}${cause}`);
    return 'unreachable';
  }

  /** Keeps something for a while; the oldest makes room. */
  #keep<T extends { readonly expires_at: number }>(all: Map<string, T>, key: string, one: T): void {
    const now = this.#parts.now();
    for (const [old, { expires_at }] of all) if (now >= expires_at || all.size >= SESSIONS.sign_ins.default) all.delete(old);
    all.delete(key);
    all.set(key, one);
  }

  get #offered(): readonly Offered[] {
    return this.#parts.config().people.issuers.filter((one): one is Offered => one.sign_in !== undefined);
  }

  /** Fixed by the configuration: nothing of a request is in it. */
  get #redirect(): string {
    return new URL(RETURN_PATH, this.#parts.config().door.url).href;
  }

  #secret(): string {
    return Buffer.from(this.#parts.random(32)).toString('base64url');
  }
}

const digest = (secret: string): string => hash('sha256', secret, 'base64url');

/** An issuer without TLS is one of a test, or of this machine; the configuration has said so. */
const optionsFor = ({ issuer }: Offered) => ({
  signal: AbortSignal.timeout(ANSWER_MS),
  ...(issuer.startsWith('http:') ? { [oauth.allowInsecureRequests]: true } : {}),
});

const isUnreachable = (error: unknown): boolean =>
  error instanceof TypeError || (error instanceof DOMException && error.name === 'TimeoutError');

/** A page of this console. Any other address, such as one of another origin, leads to its first page. */
export function ownPage(to: string | undefined): string {
  const base = 'http://corral.internal';
  const url = to === undefined ? null : URL.parse(to, base);
  return url !== null && url.origin === base && url.pathname.startsWith(CONSOLE) ? `${url.pathname}${url.search}` : CONSOLE;
}
