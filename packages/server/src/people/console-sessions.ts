/**
 * Sessions of people who signed in at the console. A browser holds a random secret in a cookie that no script can read; the host holds its
 * SHA-256. A session has the rights of the credential that it was begun with, and never outlives it: it ends with its token, at its last
 * moment, after a while without a request, or when its holder signs out.
 *
 * Sessions of tokens are kept in the front door's tables, so that a page goes on after the host has crashed. Those of an issuer's tokens are
 * not, since nothing but the issuer's signature says that they still hold: these end with the process, and when a configuration is applied.
 */
import { hash } from 'node:crypto';
import * as z from 'zod';
import { Role, type Principal } from '@corral/protocol/api/roles';
import { SESSIONS } from '@corral/protocol/limits';
import type { FrontStore } from '@corral/protocol/ports/front';
import type { Random } from '@corral/protocol/ports/machine';

const Kept = z.object({
  key: z.string(),
  principal: z.string(),
  tenant: z.string(),
  roles: z.array(Role),
  token: z.string(),
  expires_at: z.number(),
  used_at: z.number(),
});
type Kept = z.infer<typeof Kept>;
/** `token` is absent for a session of an issuer's token. */
type Live = Omit<Kept, 'token'> & { readonly token: string | undefined; used_at: number };

/** A use is written down at most this often. */
const WRITTEN_EVERY_MS = 60_000;
const ROW = 'console sessions';

export interface ConsoleSessionParts {
  readonly db: Pick<FrontStore, 'meta' | 'setMeta' | 'tokens'>;
  readonly random: Random;
  readonly now: () => number;
  /** Called after sessions have ended, so that what was opened with them is closed. @param principals theirs */
  readonly ended: (principals: ReadonlySet<string>) => void;
}

export class ConsoleSessions {
  readonly #parts: ConsoleSessionParts;
  /** By the digest of the secret, in the order in which they began. */
  readonly #live: Map<string, Live>;
  #written: number;

  constructor(parts: ConsoleSessionParts) {
    this.#parts = parts;
    const kept = z.array(Kept).safeParse(JSON.parse(parts.db.meta(ROW) ?? '[]'));
    this.#live = new Map((kept.data ?? []).map((one) => [one.key, one]));
    this.#written = parts.now();
    parts.db.tokens.onRevoked((token) => this.#end((one) => one.token === token));
  }

  begin(principal: Principal): { readonly secret: string; readonly expires_at: number } {
    const { random, now } = this.#parts;
    const secret = Buffer.from(random(32)).toString('base64url');
    const { id, tenant, roles, token } = principal;
    const expires_at = Math.min(now() + SESSIONS.session_ms.default, principal.expires_at ?? Number.POSITIVE_INFINITY);
    const own = [...this.#live.values()].filter((one) => one.principal === id);
    const oldest = own.length >= SESSIONS.sessions_per_principal.default ? own[0] : undefined;
    const first = this.#live.size >= SESSIONS.sessions.default ? [...this.#live.values()][0] : undefined;
    this.#end((one) => one === oldest || one === first);
    const key = digest(secret);
    this.#live.set(key, { key, principal: id, tenant, roles: [...roles], token, expires_at, used_at: now() });
    this.#write();
    return { secret, expires_at };
  }

  /** @param uses whether a person's request asks; a check of a stream that is open does not keep its session alive */
  principal(secret: string, uses: boolean): Principal | undefined {
    const now = this.#parts.now();
    const one = this.#live.get(digest(secret));
    if (one === undefined || isOver(one, now) || !this.#holds(one)) return undefined;
    if (uses) {
      one.used_at = now;
      if (now - this.#written > WRITTEN_EVERY_MS) this.#write();
    }
    const { principal: id, tenant, roles, token, expires_at } = one;
    return { id, tenant, roles, expires_at, ...(token === undefined ? {} : { token }) };
  }

  /** Ends the session of a secret. @returns whether there was one */
  end(secret: string): boolean {
    const key = digest(secret);
    return this.#end((one) => one.key === key);
  }

  /** Ends the sessions of issuers' tokens: what is accepted of issuers may have changed. */
  readonly reconfigured = (): void => void this.#end((one) => one.token === undefined);

  /** Ends sessions that nobody has used for too long. */
  sweep(): void {
    const now = this.#parts.now();
    this.#end((one) => isOver(one, now));
  }

  /** Whether its token still has a right to anything. The principal of an issuer's token was checked when it signed in. */
  #holds({ token }: Live): boolean {
    if (token === undefined) return true;
    try {
      return this.#parts.db.tokens.show(token).revoked_at === null;
    } catch {
      return false;
    }
  }

  #end(which: (one: Live) => boolean): boolean {
    const ended = [...this.#live.values()].filter(which);
    if (ended.length === 0) return false;
    for (const { key } of ended) this.#live.delete(key);
    this.#write();
    this.#parts.ended(new Set(ended.map(({ principal }) => principal)));
    return true;
  }

  #write(): void {
    this.#written = this.#parts.now();
    const kept = [...this.#live.values()].filter(({ token }) => token !== undefined);
    this.#parts.db.setMeta(ROW, JSON.stringify(kept));
  }
}

const digest = (secret: string): string => hash('sha256', secret, 'base64url');
const isOver = ({ expires_at, used_at }: Live, now: number): boolean =>
  now >= expires_at || now >= used_at + SESSIONS.session_idle_ms.default;
