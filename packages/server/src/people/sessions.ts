/**
 * Sessions: connections that a caller holds open for longer than one request, such as streams of events and waits for an end. Each lives as long as the
 * credential that opened it. The credential is checked again when a token is revoked or a configuration is applied; the session
 * ends when the credential expires or gives other rights than before.
 */
import type { Principal } from '@corral/protocol/api/roles';

export interface Session {
  readonly principal: Principal;
  /** Authenticates the credential again. @throws if it is not valid any more */
  readonly again: () => Promise<Principal>;
}

/** An open session. */
export interface Held {
  /** Set while the credential is checked; nothing may be sent meanwhile. Never rejects. */
  readonly checking: Promise<void> | undefined;
  readonly ended: boolean;
  /** Its holder has finished with it. */
  close(): void;
}

/** Longest delay that a timer can have. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class Sessions {
  readonly #now: () => number;
  readonly #open = new Set<OpenSession>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** @param end called once, when the credential is not valid any more */
  open(session: Session, end: () => void): Held {
    const held = new OpenSession(session, this.#now, () => this.#open.delete(held), end);
    this.#open.add(held);
    return held;
  }

  /** Checks credentials again. @param concerns whose; left out: everybody's */
  readonly recheck = (concerns: (principal: Principal) => boolean = () => true): void => {
    for (const held of this.#open) if (concerns(held.session.principal)) held.check();
  };
}

class OpenSession implements Held {
  readonly session: Session;
  checking: Promise<void> | undefined;
  readonly #now: () => number;
  readonly #closed: () => void;
  readonly #end: () => void;
  #timer: NodeJS.Timeout | undefined;
  #over = false;

  constructor(session: Session, now: () => number, closed: () => void, end: () => void) {
    this.session = session;
    this.#now = now;
    this.#closed = closed;
    this.#end = end;
    this.#watchExpiry();
  }

  get ended(): boolean {
    if (!this.#over && (this.session.principal.expires_at ?? Number.POSITIVE_INFINITY) <= this.#now()) this.end();
    return this.#over;
  }

  check(): void {
    const before = this.checking ?? Promise.resolve();
    const checking = before
      .then(() => this.#look())
      .finally(() => {
        if (this.checking === checking) this.checking = undefined;
      });
    this.checking = checking;
  }

  /** Never rejects: a credential that cannot be checked counts as invalid. */
  async #look(): Promise<void> {
    const now = await this.session.again().catch(() => undefined);
    if (now === undefined || !isSame(now, this.session.principal)) this.end();
  }

  end(): void {
    if (this.#over) return;
    this.close();
    this.#end();
  }

  close(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#closed();
  }

  #watchExpiry(): void {
    const { expires_at } = this.session.principal;
    if (expires_at === undefined) return;
    const look = () => (this.ended ? undefined : this.#watchExpiry());
    this.#timer = setTimeout(look, Math.min(Math.max(0, expires_at - this.#now()), LONGEST_TIMER_MS)).unref();
  }
}

const isSame = (a: Principal, b: Principal): boolean =>
  a.id === b.id && a.tenant === b.tenant && [...a.roles].sort().join() === [...b.roles].sort().join();
