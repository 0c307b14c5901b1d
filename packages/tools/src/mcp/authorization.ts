/**
 * How the host signs in at an MCP server, by the helpers of the official SDK: the server names its authorization server (RFC 9728), which says where
 * its endpoints are (RFC 8414); the host is a client of it by its configuration, by a document (client id metadata) or by registration (RFC 7591); a
 * person agrees in a browser; and the host exchanges the code, which only it can (PKCE, RFC 7636), for tokens that are for this server alone (RFC 8707).
 */
import {
  auth,
  Client,
  computeScopeUnion,
  exchangeAuthorization,
  extractWWWAuthenticateParams,
  IssuerMismatchError,
  OAuthError,
  refreshAuthorization,
  selectClientAuthMethod,
  StreamableHTTPClientTransport,
  validateAuthorizationResponseIssuer,
  type AuthProvider,
  type FetchLike,
  type OAuthClientInformationMixed,
  type OAuthClientProvider,
  type OAuthDiscoveryState,
  type OAuthTokens,
} from '@modelcontextprotocol/client';
import { MCP } from '@corral/protocol/limits-mcp';
import {
  LoginFailed,
  LoginRefusal,
  timed,
  type AuthorizationServer,
  type Login,
  type LoginRecord,
  type LoginUse,
  type RegisteredClient,
} from './login.ts';

/** How a host is known at the authorization server of an MCP server. */
export interface ClientTerms {
  readonly url: string;
  /** The authorization server, exactly as it names itself; undefined: the one that the MCP server names. */
  readonly issuer: string | undefined;
  readonly client: { readonly id: string; readonly secret: string | undefined } | undefined;
  /** Address of a document that says who this client is. */
  readonly document: string | undefined;
  readonly scope: string | undefined;
  /** Scope that was missing, besides. */
  readonly wanted: string | undefined;
}

/** A login that was begun, and waits for the answer of the authorization server. */
export interface BegunLogin {
  readonly terms: ClientTerms;
  readonly redirect: string;
  readonly state: string;
  readonly verifier: string;
  /** For a browser. */
  readonly address: URL;
  readonly discovery: OAuthDiscoveryState;
  readonly client: OAuthClientInformationMixed;
  readonly resource: string | undefined;
  readonly revocation: string | undefined;
}

/** Error codes are short words (RFC 6749, 5.2); what else a server calls a code is not repeated. */
const codeOf = (code: unknown): string => (typeof code === 'string' && /^[a-z_]{1,60}$/.test(code) ? code : 'an unknown code');

/** A server that answers without a token, for the parameters of its refusal. */
interface Challenge {
  readonly resourceMetadataUrl?: URL;
  readonly scope?: string;
}

/** Asks the server something without a token, to be told where its authorization server is described (RFC 9728, 5.1). */
async function challengeOf(url: string, fetch: FetchLike): Promise<Challenge> {
  let found: Challenge = {};
  const asked: AuthProvider = {
    token: () => Promise.resolve(undefined),
    onUnauthorized({ response }) {
      const { resourceMetadataUrl, scope } = extractWWWAuthenticateParams(response);
      found = { ...(resourceMetadataUrl === undefined ? {} : { resourceMetadataUrl }), ...(scope === undefined ? {} : { scope }) };
      return Promise.reject(new Error('it wants a token'));
    },
  };
  const client = new Client({ name: 'corral', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  await client
    .connect(new StreamableHTTPClientTransport(new URL(url), { fetch, authProvider: asked }), { timeout: MCP.connect_ms.default })
    .catch(() => undefined);
  await client.close().catch(() => undefined);
  return found;
}

/** The client as the SDK wants it, for one login; it holds nothing that outlives that. */
class Beginning implements OAuthClientProvider {
  readonly redirectUrl: string;
  readonly #terms: ClientTerms;
  readonly #state: string;
  readonly clientMetadataUrl?: string;
  discovery: OAuthDiscoveryState | undefined;
  client: OAuthClientInformationMixed | undefined;
  verifier = '';
  address: URL | undefined;
  resource: string | undefined;

  constructor(terms: ClientTerms, redirect: string, state: string) {
    this.#terms = terms;
    this.redirectUrl = redirect;
    this.#state = state;
    if (terms.document !== undefined) this.clientMetadataUrl = terms.document;
  }

  get clientMetadata() {
    const { scope } = this.#terms;
    return {
      client_name: 'Corral',
      redirect_uris: [this.redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      ...(scope === undefined ? {} : { scope }),
    };
  }

  state(): string {
    return this.#state;
  }

  /** Called before the client is known, so that another authorization server than the configured one gets nothing. */
  saveDiscoveryState(found: OAuthDiscoveryState): void {
    const { issuer } = this.#terms;
    const own = issuerOf(found);
    if (issuer !== undefined && own !== issuer)
      throw new LoginFailed(`the server names another authorization server (${shown(own)}) than the configuration (${issuer})`);
    this.discovery = found;
  }

  discoveryState(): undefined {
    return undefined;
  }

  saveResourceUrl(resource: string): void {
    this.resource = resource;
  }

  clientInformation(context?: { readonly issuer: string }) {
    const { client } = this.#terms;
    if (client === undefined) return undefined;
    const { id, secret } = client;
    this.client = { client_id: id, ...(secret === undefined ? {} : { client_secret: secret }) };
    return { ...this.client, ...(context === undefined ? {} : { issuer: context.issuer }) };
  }

  saveClientInformation(client: OAuthClientInformationMixed): void {
    this.client = client;
  }

  tokens(): undefined {
    return undefined;
  }

  saveTokens(): void {
    throw new LoginFailed('it gave tokens before anybody had agreed');
  }

  redirectToAuthorization(address: URL): void {
    this.address = address;
  }

  saveCodeVerifier(verifier: string): void {
    this.verifier = verifier;
  }

  codeVerifier(): string {
    return this.verifier;
  }
}

const issuerOf = ({ authorizationServerMetadata, authorizationServerUrl }: OAuthDiscoveryState): string =>
  authorizationServerMetadata?.issuer ?? authorizationServerUrl;
const shown = (address: string): string => address.slice(0, 200);

/**
 * @param state of 128 random bits or more, by which the answer is known
 * @throws LoginFailed
 */
export async function beginLogin(terms: ClientTerms, redirect: string, state: string, fetch: FetchLike): Promise<BegunLogin> {
  const provider = new Beginning(terms, redirect, state);
  const { scope: asked, resourceMetadataUrl } = await challengeOf(terms.url, fetch);
  const scope = computeScopeUnion(terms.scope ?? asked, terms.wanted);
  const documents: Readonly<Record<string, unknown>>[] = [];
  try {
    await auth(provider, {
      serverUrl: terms.url,
      fetchFn: reading(fetch, documents),
      ...(resourceMetadataUrl === undefined ? {} : { resourceMetadataUrl }),
      ...(scope === undefined ? {} : { scope }),
    });
  } catch (error) {
    throw failedFor(error, 'its authorization server could not be asked');
  }
  const { address, verifier, discovery, client, resource } = provider;
  if (address === undefined || discovery === undefined || client === undefined)
    throw new LoginFailed('the server does not say where to sign in');
  if (address.protocol !== 'https:' && new URL(terms.url).protocol === 'https:')
    throw new LoginFailed('its authorization server has no page that is reached by https');
  if (address.protocol !== 'https:' && address.protocol !== 'http:')
    throw new LoginFailed('its authorization server has no page for browsers');
  const endpoint = documents.find((one) => one['issuer'] === issuerOf(discovery))?.['revocation_endpoint'];
  const revocation = typeof endpoint === 'string' ? endpoint : undefined;
  return { terms, redirect, state, verifier, address, discovery, client, resource, revocation };
}

/** Keeps the documents that a server describes itself by: of those of OpenID Connect the SDK drops where tokens are revoked. */
function reading(fetch: FetchLike, documents: Readonly<Record<string, unknown>>[]): FetchLike {
  return async (url, init) => {
    const response = await fetch(url, init);
    if (!response.ok || !new URL(url).pathname.includes('/.well-known/')) return response;
    const document: unknown = await response
      .clone()
      .json()
      .catch(() => undefined);
    if (typeof document === 'object' && document !== null) documents.push(document as Readonly<Record<string, unknown>>);
    return response;
  };
}

/** Only its kind is told: the texts of these errors repeat what the server wrote. */
function failedFor(error: unknown, otherwise: string): LoginFailed {
  if (error instanceof LoginFailed) return error;
  if (error instanceof IssuerMismatchError)
    return new LoginFailed(
      error.kind === 'authorization_response'
        ? 'the answer is of another authorization server than the one that was asked'
        : 'its authorization server calls itself otherwise than the address at which it was found',
    );
  if (error instanceof OAuthError) return new LoginFailed(`its authorization server refused it with ${codeOf(error.code)}`);
  const name = error instanceof Error && /^[A-Za-z]{1,60}$/.test(error.name) && error.name !== 'Error' ? ` (${error.name})` : '';
  return new LoginFailed(`${otherwise}${name}`);
}

/**
 * @param answer of the authorization server, whose state is right
 * @param by who signs in
 * @throws LoginFailed
 */
export async function finishLogin(
  begun: BegunLogin,
  answer: URLSearchParams,
  { fetch, by, now }: { readonly fetch: FetchLike; readonly by: string; readonly now: () => number },
): Promise<LoginRecord> {
  const { discovery, client, verifier, redirect, resource, revocation, terms } = begun;
  const metadata = discovery.authorizationServerMetadata;
  const iss = answer.get('iss') ?? undefined;
  try {
    // Before anything else of the answer is believed, also a refusal (RFC 9207).
    validateAuthorizationResponseIssuer({
      iss,
      expectedIssuer: metadata?.issuer,
      issParameterSupported: metadata?.authorization_response_iss_parameter_supported === true,
    });
    const error = answer.get('error');
    if (error !== null) throw new LoginFailed(`its authorization server answered with ${codeOf(error)}`);
    const code = answer.get('code');
    if (code === null || code === '') throw new LoginFailed('the answer has no code');
    const tokens = await exchangeAuthorization(discovery.authorizationServerUrl, {
      ...(metadata === undefined ? {} : { metadata }),
      ...(iss === undefined ? {} : { iss }),
      ...(resource === undefined ? {} : { resource }),
      clientInformation: client,
      authorizationCode: code,
      codeVerifier: verifier,
      redirectUri: redirect,
      fetchFn: fetch,
    });
    return {
      url: terms.url,
      resource,
      issuer: issuerOf(discovery),
      metadata,
      revocation,
      client: terms.client === undefined ? registered(client) : undefined,
      by,
      ...timed(usable(tokens), now()),
    };
  } catch (error) {
    throw failedFor(error, 'its authorization server could not be asked for tokens');
  }
}

/** The parts of a registration that later requests need. */
function registered(client: OAuthClientInformationMixed): RegisteredClient {
  const { client_id, client_secret } = client;
  const method = 'token_endpoint_auth_method' in client ? client.token_endpoint_auth_method : undefined;
  return {
    client_id,
    ...(client_secret === undefined ? {} : { client_secret }),
    ...(method === undefined ? {} : { token_endpoint_auth_method: method }),
  };
}

/** @throws LoginFailed for tokens that cannot be sent as the host sends them (RFC 6750, 2.1) */
function usable(tokens: OAuthTokens): OAuthTokens {
  if (tokens.token_type.toLowerCase() !== 'bearer')
    throw new LoginFailed('its authorization server gives tokens of a kind that the host does not use');
  if (!TOKEN.test(tokens.access_token)) throw new LoginFailed('its authorization server gives tokens that no header may hold');
  return tokens;
}
const TOKEN = /^[!-~]{1,16384}$/;

/** Words by which an authorization server says that a refresh token, or its client, is good no more (RFC 6749, 5.2). */
const REFUSALS: ReadonlySet<string> = new Set([
  'invalid_grant',
  'invalid_client',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
]);

/** @param client that the configuration names, if it names one */
export function authorizationServer(client: () => Promise<OAuthClientInformationMixed | undefined>, fetch: FetchLike): AuthorizationServer {
  const own = async (record: LoginRecord): Promise<OAuthClientInformationMixed> => {
    const known = record.client ?? (await client());
    if (known === undefined) throw new LoginRefusal('invalid_client');
    return known;
  };
  return {
    async renew(record) {
      const { issuer, metadata, resource, refresh_token = '' } = record;
      try {
        const tokens = await refreshAuthorization(issuer, {
          ...(metadata === undefined ? {} : { metadata }),
          ...(resource === undefined ? {} : { resource }),
          clientInformation: await own(record),
          refreshToken: refresh_token,
          fetchFn: fetch,
        });
        return usable(tokens);
      } catch (error) {
        if (error instanceof OAuthError && REFUSALS.has(error.code)) throw new LoginRefusal(codeOf(error.code));
        throw error;
      }
    },
    async revoke(record) {
      const { revocation: endpoint } = record;
      if (endpoint === undefined) return false;
      const known = await own(record);
      for (const [token, hint] of [
        [record.refresh_token, 'refresh_token'],
        [record.access_token, 'access_token'],
      ] as const) {
        if (token === undefined) continue;
        await revokeOne(endpoint, { token, hint, known, record }, fetch);
      }
      return true;
    },
  };
}

/** One token (RFC 7009), for which the SDK has no helper: the client shows who it is as it does for tokens. */
async function revokeOne(
  endpoint: string,
  of: { readonly token: string; readonly hint: string; readonly known: OAuthClientInformationMixed; readonly record: LoginRecord },
  fetch: FetchLike,
): Promise<void> {
  const { token, hint, known, record } = of;
  const { client_id, client_secret } = known;
  const body = new URLSearchParams({ token, token_type_hint: hint });
  const headers = new Headers({ 'content-type': 'application/x-www-form-urlencoded' });
  const method = selectClientAuthMethod(known, record.metadata?.token_endpoint_auth_methods_supported ?? []);
  if (method === 'client_secret_basic' && client_secret !== undefined)
    headers.set('authorization', `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}`);
  else {
    body.set('client_id', client_id);
    if (client_secret !== undefined) body.set('client_secret', client_secret);
  }
  const response = await fetch(endpoint, { method: 'POST', headers, body, redirect: 'manual' });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`the revocation was answered with status ${response.status}`);
}

/** The tokens of a login for the requests of one connection. */
export interface Bearer extends Required<AuthProvider> {
  /** Makes the requests of the connection. */
  readonly fetch: FetchLike;
}

export function bearer(login: Login, use: LoginUse, fetch: FetchLike): Bearer {
  let sent: string | undefined;
  return {
    token: async () => (sent = await login.token(use)),
    onUnauthorized: () => login.refused(sent, use),
    async fetch(url, init) {
      const response = await fetch(url, init);
      if (response.status !== 403) return response;
      const { error, scope } = extractWWWAuthenticateParams(response);
      if (error !== 'insufficient_scope') return response;
      await response.body?.cancel();
      throw login.lacking(scope, use.next);
    },
  };
}
