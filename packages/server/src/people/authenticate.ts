/**
 * Authentication. On the socket the caller is the host's admin: the data folder is 0700 and the socket 0600, so the operating
 * system lets in only their owner (and root). Elsewhere a token is needed, or a JSON web token of a configured issuer. Identity
 * never comes from a payload.
 */
import { createRemoteJWKSet, errors, jwtVerify, type JWTPayload } from 'jose';
import { ANY_TENANT, Role, type Principal } from '@corral/protocol/api/roles';
import { CorralError } from '@corral/protocol/errors';
import type { TenantId } from '@corral/protocol/ids';
import { principalOf, type Issuer } from '../config/issuers.ts';
import type { Config } from '../config/schema.ts';
import type { TokenTable } from '@corral/protocol/ports/front';

export type Channel = { readonly kind: 'socket'; readonly owner: string } | { readonly kind: 'network' };
type KeySet = ReturnType<typeof createRemoteJWKSet>;

/** Only signatures with the issuer's own key: with a shared secret this host could make tokens itself. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];
const DISCOVERY_MS = 5_000;

const unknown = (message: string) => new CorralError('CORRAL_UNAUTHENTICATED', message);

export class Authenticator {
  readonly #tokens: TokenTable;
  readonly #config: () => Config;
  readonly #now: () => number;
  /** Keys by everything that a configuration says about where they are. */
  readonly #keys = new Map<string, Promise<KeySet>>();

  constructor(tokens: TokenTable, config: () => Config, now: () => number) {
    this.#tokens = tokens;
    this.#config = config;
    this.#now = now;
  }

  /**
   * @param authorization the header as received
   * @throws CORRAL_UNAUTHENTICATED; the message does not say what exactly was wrong with a secret
   */
  async authenticate(channel: Channel, authorization: string | undefined): Promise<Principal> {
    if (authorization === undefined) {
      if (channel.kind === 'socket') return { id: `user:${channel.owner}`, tenant: ANY_TENANT, roles: ['admin'] };
      throw unknown('A token is required: `Authorization: Bearer …`.');
    }
    const secret = /^Bearer ([\x21-\x7e]{1,8192})$/i.exec(authorization)?.[1];
    if (secret === undefined) throw unknown('The Authorization header is not `Bearer` and a token.');
    return this.identify(secret);
  }

  /** The principal of a token, or of an issuer's. @throws CORRAL_UNAUTHENTICATED */
  async identify(secret: string): Promise<Principal> {
    const known = this.#tokens.principal(secret, this.#now());
    if (known !== undefined) return known;
    if (secret.split('.').length === 3 && this.#config().people.issuers.length > 0) return this.#fromIssuer(secret);
    throw unknown('The token is not known here, has expired or was revoked.');
  }

  /**
   * The principal whom an issuer names in a token that was made for one of its clients.
   * @throws CORRAL_UNAUTHENTICATED
   */
  async named(jwt: string, name: string, client: string): Promise<Principal> {
    const config = this.#config();
    const issuer = issuerOf(jwt, config);
    if (issuer.issuer !== name) throw unknown('The token is of another issuer.');
    return this.#principalIn(jwt, issuer, client, config);
  }

  /** Fetches keys again from now on: a configuration was applied. */
  readonly forget = (): void => this.#keys.clear();

  async #fromIssuer(jwt: string): Promise<Principal> {
    for (;;) {
      const config = this.#config();
      const principal = await this.#verified(jwt, config);
      // If the configuration changed while keys were fetched, the new one decides.
      if (config === this.#config()) return principal;
    }
  }

  async #verified(jwt: string, config: Config): Promise<Principal> {
    const issuer = issuerOf(jwt, config);
    return this.#principalIn(jwt, issuer, issuer.audience, config);
  }

  async #principalIn(jwt: string, issuer: Issuer, audience: string, config: Config): Promise<Principal> {
    let payload: JWTPayload;
    try {
      ({ payload } = await jwtVerify(jwt, await this.#keysOf(issuer), {
        issuer: issuer.issuer,
        audience,
        algorithms: ALGORITHMS,
        currentDate: new Date(this.#now()),
        requiredClaims: ['exp', 'sub'],
      }));
    } catch (error) {
      if (error instanceof CorralError) throw error;
      throw unknown(error instanceof errors.JWTExpired ? 'The token has expired.' : 'The token could not be verified.');
    }
    const { sub, iat, exp } = payload;
    if (issuer.revoked.includes(sub as string)) throw unknown('The tokens of this subject were revoked.');
    if (issuer.issued_after !== undefined && !(iat !== undefined && iat * 1000 >= Date.parse(issuer.issued_after)))
      throw unknown(`TokenTable of this issuer from before ${issuer.issued_after} were revoked.`);
    const tenant = payload[issuer.tenant_claim];
    if (typeof tenant !== 'string' || !isOf(issuer, tenant, config))
      throw unknown('The token names no tenant of this host that its issuer may name.');
    const listed = payload[issuer.roles_claim];
    const roles = (Array.isArray(listed) ? listed : []).filter((role): role is Role => Role.safeParse(role).success);
    return { id: principalOf(issuer.issuer, sub), tenant, roles, expires_at: (exp as number) * 1000 };
  }

  #keysOf({ issuer, jwks_uri }: Issuer): Promise<KeySet> {
    const key = JSON.stringify([issuer, jwks_uri ?? null]);
    const known = this.#keys.get(key);
    if (known !== undefined) return known;
    const found = (async () => {
      const uri = jwks_uri ?? (await discover(issuer));
      return createRemoteJWKSet(new URL(uri), { timeoutDuration: DISCOVERY_MS });
    })();
    this.#keys.set(key, found);
    // A failed request is not cached.
    found.catch(() => this.#keys.delete(key));
    return found;
  }
}

/** @throws CORRAL_UNAUTHENTICATED */
function issuerOf(jwt: string, { people }: Config): Issuer {
  let claimed: unknown;
  try {
    claimed = (JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString('utf8')) as { iss?: unknown }).iss;
  } catch {
    throw unknown('The token cannot be read.');
  }
  const issuer = people.issuers.find((one) => one.issuer === claimed);
  if (issuer === undefined) throw unknown('The issuer of the token is not accepted here.');
  return issuer;
}

/** Whether an issuer's tokens may name a tenant, or the whole host. */
function isOf({ tenants, host_wide }: Issuer, tenant: string, config: Config): boolean {
  if (tenant === ANY_TENANT) return host_wide;
  return Object.hasOwn(config.tenants, tenant) && (tenants === undefined || tenants.includes(tenant as TenantId));
}

/** OpenID Connect Discovery 1.0, section 4. */
async function discover(issuer: string): Promise<string> {
  const answer = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, {
    signal: AbortSignal.timeout(DISCOVERY_MS),
  });
  const { jwks_uri } = (await answer.json()) as { jwks_uri?: unknown };
  if (typeof jwks_uri !== 'string') throw unknown('The keys of the token’s issuer could not be found.');
  return jwks_uri;
}
