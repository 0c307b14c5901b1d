/**
 * Who is at the door. Over the socket, whoever can open it: the data folder is 0700 and the socket 0600, so the operating
 * system lets in its owner (and root) alone, and that owner is the host's admin. Elsewhere a token, or a JSON web token of a
 * configured issuer. Nothing in a payload ever says who somebody is.
 */
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { ANY_TENANT, Role, type Principal } from '@corral/protocol/api/roles';
import { CorralError } from '@corral/protocol/errors';
import type { Config } from '../config/schema.ts';
import type { Tokens } from '../store/tokens.ts';

export type Channel = { readonly kind: 'socket'; readonly owner: string } | { readonly kind: 'network' };
type Issuer = Config['people']['issuers'][number];
type KeySet = ReturnType<typeof createRemoteJWKSet>;

/** Signed with a key of the issuer's own; a shared secret would let us make tokens too. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];
const DISCOVERY_MS = 5_000;

const unknown = (message: string) => new CorralError('CORRAL_UNAUTHENTICATED', message);

export class Authenticator {
  readonly #tokens: Tokens;
  readonly #config: () => Config;
  readonly #now: () => number;
  readonly #keys = new Map<string, Promise<KeySet>>();

  constructor(tokens: Tokens, config: () => Config, now: () => number) {
    this.#tokens = tokens;
    this.#config = config;
    this.#now = now;
  }

  /**
   * @param authorization the header, as it came
   * @throws CORRAL_UNAUTHENTICATED; the message does not say what exactly was wrong with a secret
   */
  async authenticate(channel: Channel, authorization: string | undefined): Promise<Principal> {
    if (authorization === undefined) {
      if (channel.kind === 'socket') return { id: `user:${channel.owner}`, tenant: ANY_TENANT, roles: ['admin'] };
      throw unknown('This needs a token: `Authorization: Bearer …`.');
    }
    const secret = /^Bearer ([\x21-\x7e]{1,8192})$/i.exec(authorization)?.[1];
    if (secret === undefined) throw unknown('The Authorization header is not `Bearer` and a token.');
    const known = this.#tokens.principal(secret, this.#now());
    if (known !== undefined) return known;
    if (secret.split('.').length === 3 && this.#config().people.issuers.length > 0) return this.#fromIssuer(secret);
    throw unknown('The token is not known here, has expired or was revoked.');
  }

  async #fromIssuer(jwt: string): Promise<Principal> {
    const { issuers } = this.#config().people;
    let claimed: unknown;
    try {
      claimed = (JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString('utf8')) as { iss?: unknown }).iss;
    } catch {
      throw unknown('The token is not one that can be read.');
    }
    const issuer = issuers.find((one) => one.issuer === claimed);
    if (issuer === undefined) throw unknown('The token is of an issuer that is not accepted here.');
    let payload: Record<string, unknown>;
    try {
      const keys = await this.#keysOf(issuer);
      ({ payload } = await jwtVerify(jwt, keys, {
        issuer: issuer.issuer,
        audience: issuer.audience,
        algorithms: ALGORITHMS,
        currentDate: new Date(this.#now()),
        requiredClaims: ['exp', 'sub'],
      }));
    } catch (error) {
      if (error instanceof CorralError) throw error;
      throw unknown(error instanceof errors.JWTExpired ? 'The token has expired.' : 'The token could not be verified.');
    }
    const tenant = payload[issuer.tenant_claim];
    const allowed =
      typeof tenant === 'string' && (tenant === ANY_TENANT ? issuer.host_wide : Object.hasOwn(this.#config().tenants, tenant));
    if (!allowed) throw unknown('The token names no tenant of this host.');
    const listed = payload[issuer.roles_claim];
    const roles = (Array.isArray(listed) ? listed : []).filter((role): role is Role => Role.safeParse(role).success);
    return { id: `oidc:${new URL(issuer.issuer).host}/${String(payload['sub'])}`.slice(0, 200), tenant: tenant, roles };
  }

  #keysOf(issuer: Issuer): Promise<KeySet> {
    const known = this.#keys.get(issuer.issuer);
    if (known !== undefined) return known;
    const found = (async () => {
      const uri = issuer.jwks_uri ?? (await discover(issuer.issuer));
      return createRemoteJWKSet(new URL(uri), { timeoutDuration: DISCOVERY_MS });
    })();
    this.#keys.set(issuer.issuer, found);
    // Asked again next time.
    found.catch(() => this.#keys.delete(issuer.issuer));
    return found;
  }
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
