/**
 * Issuers of JSON web tokens. An issuer is identified by host and path, because an identity provider has many realms on one host
 * and the same subject in two realms means two persons.
 */
import { CorralError } from '@corral/protocol/errors';
import { PRINCIPAL_CHARS } from '@corral/protocol/ids';
import type { Config } from './schema.ts';

export type Issuer = Config['people']['issuers'][number];

/** Gives `idp.example/realms/shop`. */
function realmOf(issuer: string): string {
  const { host, pathname } = new URL(issuer);
  return `${host}${pathname.replace(/\/+$/, '')}`;
}

/**
 * Characters that are escaped in a principal's name. `/` is among them, so a subject never contains the `/` that ends the realm.
 */
const ESCAPED = /[^\x21-\x7e]|[/%]/gu;

/**
 * Names a subject of an issuer: `oidc:REALM/SUBJECT`. A long name is refused rather than cut, so that two subjects never share
 * one.
 * @throws CORRAL_UNAUTHENTICATED for a value that is not a subject, or one that is too long for a name
 */
export function principalOf(issuer: string, subject: unknown): string {
  if (typeof subject !== 'string' || subject === '' || !subject.isWellFormed())
    throw new CorralError('CORRAL_UNAUTHENTICATED', 'The token names no subject.');
  const id = `oidc:${realmOf(issuer)}/${subject.replace(ESCAPED, encodeURIComponent)}`;
  if (id.length > PRINCIPAL_CHARS)
    throw new CorralError(
      'CORRAL_UNAUTHENTICATED',
      `The subject of the token is too long: issuer and subject together may have ${PRINCIPAL_CHARS} characters.`,
    );
  return id;
}

/** Faults of a configuration's issuers taken together. */
export function faultsOfIssuers({ people: { issuers }, tenants, door, secrets }: Config): string[] {
  return issuers.flatMap(({ issuer, tenants: bound, sign_in }, i) => {
    const at = `people.issuers.${i}`;
    const { search, hash, username, password } = new URL(issuer);
    const same = issuers.findIndex((one) => realmOf(one.issuer) === realmOf(issuer));
    return [
      ...(search + hash + username + password === '' ? [] : [`${at}.issuer: an issuer has no query, fragment or credentials`]),
      ...(same === i ? [] : [`${at}.issuer: its subjects would have the same names as those of people.issuers.${same}`]),
      ...(bound === undefined && issuers.length > 1
        ? [`${at}.tenants: with several issuers, each says which tenants its tokens may name`]
        : []),
      ...(sign_in !== undefined && door.url === undefined
        ? [`${at}.sign_in: needs door.url, the address to which the issuer sends people back`]
        : []),
      ...(sign_in?.secret !== undefined && !Object.hasOwn(secrets, sign_in.secret)
        ? [`${at}.sign_in.secret: there is no secret ${sign_in.secret}`]
        : []),
      ...(bound ?? []).filter((name) => !Object.hasOwn(tenants, name)).map((name) => `${at}.tenants: there is no tenant ${name}`),
    ];
  });
}
