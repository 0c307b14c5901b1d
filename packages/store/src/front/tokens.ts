/** Tokens: 256 random bits each, stored only as SHA-256. Lookup compares digests, so its timing reveals nothing about a token. */
import { hash } from 'node:crypto';
import type { Principal, Role } from '@corral/protocol/api/roles';
import { CorralError } from '@corral/protocol/errors';
import type { TokenPerson, TokenTable, TokenView, WantedToken } from '@corral/protocol/ports/front';
import type { Random } from '@corral/protocol/ports/machine';
import type { FrontDatabase } from './database.ts';

interface TokenRow {
  readonly id: string;
  readonly name: string;
  readonly tenant: string;
  readonly roles: string;
  readonly created_at: number;
  readonly created_by: string;
  readonly expires_at: number | null;
  readonly revoked_at: number | null;
  readonly used_at: number | null;
  readonly person: string | null;
  readonly nameless: number;
}
const PREFIX = 'corral_';
/** The last use of a token is written at most this often. */
const USED_EVERY_MS = 60_000;

export class Tokens implements TokenTable {
  readonly #db: FrontDatabase;
  readonly #random: Random;
  readonly #onRevoked: ((token: string) => void)[] = [];

  constructor(db: FrontDatabase, random: Random) {
    this.#db = db;
    this.#random = random;
  }

  /** @throws CORRAL_TOKEN_TAKEN while another token of the host has the name */
  make(wanted: WantedToken, by: string, at: number): TokenView & { readonly secret: string } {
    const secret = `${PREFIX}${Buffer.from(this.#random(32)).toString('base64url')}`;
    const id = `token_${Buffer.from(this.#random(9)).toString('hex').slice(0, 12)}`;
    const roles = [...new Set(wanted.roles)];
    this.#db.durably(() => {
      if (ID.test(wanted.name) || this.#live(wanted.name, at))
        throw new CorralError('CORRAL_TOKEN_TAKEN', `There is a token called ${wanted.name} already.`);
      this.#db.run(
        'INSERT INTO tokens (id, hash, name, tenant, roles, created_at, created_by, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
        id,
        digest(secret),
        wanted.name,
        wanted.tenant,
        JSON.stringify(roles),
        at,
        by,
        wanted.expires_at,
      );
      if (wanted.person !== undefined) this.#db.run('INSERT INTO token_people (token, person) VALUES (?, ?)', id, wanted.person);
    });
    return { ...this.show(id), secret };
  }

  /** @throws CORRAL_TOKEN_UNKNOWN */
  show(id: string): TokenView {
    const row = this.#db.get<TokenRow>(`${SELECT} WHERE id = ?`, id);
    if (row === undefined) throw new CorralError('CORRAL_TOKEN_UNKNOWN', `There is no token ${id} here.`);
    return view(row);
  }

  list(tenant: string | undefined): TokenView[] {
    return this.#db.all<TokenRow>(`${SELECT} WHERE ?1 IS NULL OR tenant = ?1 ORDER BY created_at`, tenant ?? null).map((row) => view(row));
  }

  revoke(id: string, at: number): TokenView {
    this.show(id);
    this.#db.durably(() => this.#db.run('UPDATE tokens SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?', at, id));
    for (const listener of this.#onRevoked) listener(id);
    return this.show(id);
  }

  /** Tokens that have, or had, a principal's name; the one that has it now first, then the latest. */
  called(principal: string): readonly TokenPerson[] {
    if (!principal.startsWith('token:')) return [];
    const name = principal.slice('token:'.length);
    const rows = ID.test(name)
      ? this.#db.all<TokenRow>(`${SELECT} WHERE id = ?`, name)
      : this.#db.all<TokenRow>(`${SELECT} WHERE name = ? AND coalesce(nameless, 0) = 0 ORDER BY created_at DESC, tokens.rowid DESC`, name);
    return rows.map(({ id, name: called, created_by, person, nameless }) => ({
      id,
      name: called,
      created_by,
      person,
      nameless: nameless === 1,
    }));
  }

  #live(name: string, at: number): boolean {
    const sql = `${SELECT} WHERE name = ? AND coalesce(nameless, 0) = 0 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)`;
    return this.#db.get<TokenRow>(sql, name, at) !== undefined;
  }

  /** Calls back with the id of each token that is revoked. */
  onRevoked(listener: (token: string) => void): void {
    this.#onRevoked.push(listener);
  }

  /** The principal of a secret; undefined if the secret is unknown, revoked or expired. */
  principal(secret: string, now: number): Principal | undefined {
    if (!secret.startsWith(PREFIX) || secret.length > 100) return undefined;
    const row = this.#db.get<TokenRow>(`${SELECT} WHERE hash = ?`, digest(secret));
    if (row === undefined || row.revoked_at !== null || (row.expires_at !== null && row.expires_at <= now)) return undefined;
    if (row.used_at === null || now - row.used_at > USED_EVERY_MS) this.#db.run('UPDATE tokens SET used_at = ? WHERE id = ?', now, row.id);
    const { id: token, name, tenant, roles, expires_at, nameless } = row;
    const id = `token:${nameless === 1 ? token : name}`;
    return { id, token, tenant, roles: JSON.parse(roles) as Role[], ...(expires_at === null ? {} : { expires_at }) };
  }
}

/** Form of ids; a token may not have a name of this form, because the name would be read as an id. */
const ID = /^token_[0-9a-f]{12}$/;
const SELECT = `SELECT id, name, tenant, roles, created_at, created_by, expires_at, revoked_at, used_at, person, coalesce(nameless, 0) AS nameless
  FROM tokens LEFT JOIN token_people ON token = id`;
const digest = (secret: string) => hash('sha256', secret, 'buffer');

function view({ id: token, name, tenant, roles, created_at, created_by, expires_at, revoked_at, used_at, person }: TokenRow): TokenView {
  return { token, name, tenant, roles: JSON.parse(roles) as Role[], created_at, created_by, expires_at, revoked_at, used_at, person };
}
