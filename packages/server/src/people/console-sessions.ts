/**
 * Sessions of people who signed in at the console. A browser holds two random secrets: one in a cookie that no script can read, and one that
 * the page keeps for its own origin and sends in a header. A cookie alone is nothing, because browsers send it to every port of a host's name,
 * and another program of the machine may listen at one. The host holds the SHA-256 of each. A session has the rights of the credential that it
 * was begun with, and never outlives it: it ends with its token, at its last moment, after a while without a request, or when its holder
 * signs out.
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
  page: z.string(),
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
  /** Called if the end of sessions could not be written down: a host that starts again has them until their last moment. */
  readonly unwritten: (error: unknown) => void;
}

/** The two secrets that a browser shows of its session. Both are needed. */
export interface SessionProof {
  readonly cookie: string;
  readonly page: string;
}
export interface Begun extends SessionProof {
  readonly expires_at: number;
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

  /** @throws CORRAL_DISK_FULL */
  begin(principal: Principal): Begun {
    const { random, now } = this.#parts;
    const [cookie, page] = [Buffer.from(random(32)).toString('base64url'), Buffer.from(random(32)).toString('base64url')];
    const { id, tenant, roles, token } = principal;
    const expires_at = Math.min(now() + SESSIONS.session_ms.default, principal.expires_at ?? Number.POSITIVE_INFINITY);
    const own = [...this.#live.values()].filter((one) => one.principal === id);
    const oldest = own.length >= SESSIONS.sessions_per_principal.default ? own[0] : undefined;
    const first = this.#live.size >= SESSIONS.sessions.default ? this.#oldestOfMost() : undefined;
    const key = digest(cookie);
    this.#live.set(key, { key, page: digest(page), principal: id, tenant, roles: [...roles], token, expires_at, used_at: now() });
    try {
      this.#write();
    } catch (error) {
      this.#live.delete(key);
      throw error;
    }
    // Not before the new one is kept: who cannot sign in loses no session by trying.
    this.#end((one) => one === oldest || one === first);
    return { cookie, page, expires_at };
  }

  /** @param uses whether a person's request asks; a check of a stream that is open does not keep its session alive */
  principal(proof: SessionProof, uses: boolean): Principal | undefined {
    const now = this.#parts.now();
    const one = this.#of(proof);
    if (one === undefined || isOver(one, now) || !this.#holds(one)) return undefined;
    if (uses) {
      one.used_at = now;
      if (now - this.#written > WRITTEN_EVERY_MS) this.#writeIfPossible();
    }
    const { principal: id, tenant, roles, token, expires_at } = one;
    return { id, tenant, roles, expires_at, ...(token === undefined ? {} : { token }) };
  }

  /** Ends a session. @returns whether there was one */
  end(proof: SessionProof): boolean {
    const ends = this.#of(proof);
    return ends !== undefined && this.#end((one) => one === ends);
  }

  /** Ends the sessions of issuers' tokens: what is accepted of issuers may have changed. */
  readonly reconfigured = (): void => void this.#end((one) => one.token === undefined);

  /** Ends sessions that nobody has used for too long. */
  sweep(): void {
    const now = this.#parts.now();
    this.#end((one) => isOver(one, now));
  }

  #of({ cookie, page }: SessionProof): Live | undefined {
    const one = this.#live.get(digest(cookie));
    return one?.page === digest(page) ? one : undefined;
  }

  /** The oldest session of the tenant that has most, so that no tenant ends the sessions of others. */
  #oldestOfMost(): Live | undefined {
    const all = Map.groupBy(this.#live.values(), ({ tenant }) => tenant);
    const [most] = [...all.values()].toSorted((a, b) => b.length - a.length);
    return most?.[0];
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
    // Their streams are closed even if the disk is full.
    this.#parts.ended(new Set(ended.map(({ principal }) => principal)));
    this.#writeIfPossible();
    return true;
  }

  #writeIfPossible(): void {
    try {
      this.#write();
    } catch (error) {
      this.#parts.unwritten(error);
    }
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
