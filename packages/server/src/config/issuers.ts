/**
 * Issuers of JSON web tokens, told apart by host and path: an identity provider has many realms on one host, and a subject of one
 * is not that of another.
 */
import { CorralError } from '@corral/protocol/errors';
import { PRINCIPAL_CHARS } from '@corral/protocol/ids';
import type { Config } from './schema.ts';

export type Issuer = Config['people']['issuers'][number];

/** `idp.example/realms/shop`. */
function realmOf(issuer: string): string {
  const { host, pathname } = new URL(issuer);
  return `${host}${pathname.replace(/\/+$/, '')}`;
}

/** What stands for itself in a principal's name; a subject never holds the `/` that ends the realm. */
const ESCAPED = /[^\x21-\x7e]|[/%]/gu;

/**
 * Names a subject of an issuer: `oidc:REALM/SUBJECT`. Two subjects never have one name, so nothing is cut.
 * @throws CORRAL_UNAUTHENTICATED for what is not a subject, or has no room in a name
 */
export function principalOf(issuer: string, subject: unknown): string {
  if (typeof subject !== 'string' || subject === '' || !subject.isWellFormed())
    throw new CorralError('CORRAL_UNAUTHENTICATED', 'The token names no subject.');
  const id = `oidc:${realmOf(issuer)}/${subject.replace(ESCAPED, encodeURIComponent)}`;
  if (id.length > PRINCIPAL_CHARS)
    throw new CorralError(
      'CORRAL_UNAUTHENTICATED',
      `The subject of the token is too long: with its issuer it may have ${PRINCIPAL_CHARS} characters.`,
    );
  return id;
}

/** What is wrong with the issuers of a configuration as a whole. */
export function faultsOfIssuers({ people: { issuers }, tenants }: Config): string[] {
  return issuers.flatMap(({ issuer, tenants: bound }, i) => {
    const at = `people.issuers.${i}`;
    const { search, hash, username, password } = new URL(issuer);
    const same = issuers.findIndex((one) => realmOf(one.issuer) === realmOf(issuer));
    return [
      ...(search + hash + username + password === '' ? [] : [`${at}.issuer: an issuer has no query, fragment or credentials`]),
      ...(same === i ? [] : [`${at}.issuer: its subjects would have the names of those of people.issuers.${same}`]),
      ...(bound === undefined && issuers.length > 1
        ? [`${at}.tenants: with several issuers, each says which tenants its tokens may name`]
        : []),
      ...(bound ?? []).filter((name) => !Object.hasOwn(tenants, name)).map((name) => `${at}.tenants: there is no tenant ${name}`),
    ];
  });
}
