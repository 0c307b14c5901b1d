/**
 * The logins of a host at MCP servers. Each is there once for all configurations, so that one of them renews its token. Logins that were begun wait
 * here for the answer of the authorization server: a few, for a few minutes, and in memory alone.
 */
import { MCP } from '@corral/protocol/limits-mcp';
import type { SealedTexts } from '@corral/protocol/ports/sealed';
import type { BegunLogin } from '@corral/tools/mcp/authorization';
import { Login } from '@corral/tools/mcp/login';

export interface LoginStoreParts {
  /** Undefined while the host is being built, and where there is no host. */
  readonly kept: () => SealedTexts | undefined;
  readonly now: () => number;
}

/** A login that was begun. */
export interface Waiting {
  readonly server: string;
  readonly name: string;
  readonly principal: string;
  readonly until: number;
  readonly begun: BegunLogin;
}

/** Logins that wait at once; the oldest makes room. */
const WAITING = 64;

export class LoginStore {
  readonly #parts: LoginStoreParts;
  readonly #logins = new Map<string, Login>();
  readonly #waiting = new Map<string, Waiting>();

  constructor(parts: LoginStoreParts) {
    this.#parts = parts;
  }

  get now(): () => number {
    return this.#parts.now;
  }

  /** @param account `crm:login:host` */
  at(account: string): Login {
    const { kept, now } = this.#parts;
    let login = this.#logins.get(account);
    if (login === undefined) this.#logins.set(account, (login = new Login(`login ${account}`, kept, now)));
    return login;
  }

  /** @param id that nobody can guess */
  wait(id: string, of: Omit<Waiting, 'until'>): Waiting {
    const now = this.now();
    for (const [one, { until }] of this.#waiting) if (until <= now) this.#waiting.delete(one);
    const [oldest] = this.#waiting.keys();
    if (this.#waiting.size >= WAITING && oldest !== undefined) this.#waiting.delete(oldest);
    const waiting = { ...of, until: now + MCP.login_ms.default };
    this.#waiting.set(id, waiting);
    return waiting;
  }

  waiting(id: string, principal: string): Waiting | undefined {
    const found = this.#waiting.get(id);
    return found !== undefined && found.until > this.now() && found.principal === principal ? found : undefined;
  }

  /** Its answer has come. */
  answered(id: string): void {
    this.#waiting.delete(id);
  }
}
