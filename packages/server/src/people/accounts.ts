/**
 * The accounts behind secrets, as far as the host remembers them: when each was used last and for whom, and which were revoked. Values are
 * nowhere here. Kept as facts of the host, by the name of the account, so that they outlive configurations and restarts.
 */
import type { FrontStore } from '@corral/protocol/ports/front';
import type { Caller } from '../config/secret-callers.ts';
import type { AccountRecord } from '../config/secrets.ts';

interface Revocation {
  readonly by: string;
  readonly at: number;
  readonly reason: string;
}
export interface AccountFacts {
  readonly used_at?: number;
  readonly used_by?: Caller;
  readonly revoked?: Revocation;
}

/** A use is written down at most so often; the latest is in memory. */
const WRITE_MS = 60_000;

export class Accounts implements AccountRecord {
  readonly #db: () => Pick<FrontStore, 'meta' | 'setMeta'> | undefined;
  readonly #now: () => number;
  readonly #known = new Map<string, AccountFacts>();
  readonly #written = new Map<string, number>();

  /** @param db undefined before it is open, when nobody calls yet */
  constructor(db: () => Pick<FrontStore, 'meta' | 'setMeta'> | undefined, now: () => number) {
    this.#db = db;
    this.#now = now;
  }

  facts(account: string): AccountFacts {
    const known = this.#known.get(account);
    if (known !== undefined) return known;
    const db = this.#db();
    const text = db?.meta(keyOf(account));
    const facts = text === undefined ? {} : (JSON.parse(text) as AccountFacts);
    if (db !== undefined) this.#known.set(account, facts);
    return facts;
  }

  revoked(account: string): string | undefined {
    const { revoked } = this.facts(account);
    return revoked && `by ${revoked.by}: ${revoked.reason}`;
  }

  used(account: string, caller: Caller | undefined): void {
    const now = this.#now();
    const { revoked } = this.facts(account);
    const used_by = caller && { tenant: caller.tenant, agent: caller.agent, person: caller.person };
    const facts = { used_at: now, ...(used_by === undefined ? {} : { used_by }), ...(revoked === undefined ? {} : { revoked }) };
    this.#known.set(account, facts);
    if (now - (this.#written.get(account) ?? 0) < WRITE_MS) return;
    this.#written.set(account, now);
    this.#db()?.setMeta(keyOf(account), JSON.stringify(facts));
  }

  /** It is given out no more, from the next use on. */
  revoke(account: string, revoked: Revocation): void {
    this.#put(account, { ...this.facts(account), revoked });
  }

  restore(account: string): void {
    const { revoked: _, ...facts } = this.facts(account);
    this.#put(account, facts);
  }

  /** Uses that were not written down yet. */
  flush(): void {
    for (const [account, facts] of this.#known) if (facts.used_at !== undefined) this.#put(account, facts);
  }

  #put(account: string, facts: AccountFacts): void {
    // A write that fails changes nothing.
    this.#db()?.setMeta(keyOf(account), JSON.stringify(facts));
    this.#known.set(account, facts);
  }
}

const keyOf = (account: string): string => `secret ${account}`;
