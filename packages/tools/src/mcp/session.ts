/**
 * Keeps one connection to an MCP server for the agents of one tenant. It is made at the first call and made again after it was lost, each
 * failure in a row later than the one before.
 */
import { MACHINE } from '@corral/protocol/limits';
import { MCP } from '@corral/protocol/limits-mcp';
import type { ToolAnswer, ToolCall } from '@corral/protocol/ports/tool';
import { notStarted } from '../host/keeper.ts';
import { failureOf } from './answer.ts';
import type { Link } from './link.ts';
import { type LinkOptions } from './link.ts';
import { LoginNeeded } from './login.ts';

const BACKOFF_MS = 500;
const BACKOFF_MOST_MS = 60_000;
/** After this lifetime the failures in a row are counted from 0 again. */
const WELL_MS = 60_000;
/** Calls under way at once on one connection; others wait. */
const IN_FLIGHT = 64;

export interface SessionOptions {
  readonly server: string;
  readonly link: (events: Pick<LinkOptions, 'lost' | 'listChanged' | 'refused'>) => Promise<Link>;
  /** A new connection is there; its tools are listed before a call is made. */
  readonly opened: (link: Link) => Promise<void>;
  readonly listChanged: (link: Link) => void;
  readonly tell: (kind: 'ended' | 'restarted' | 'broken', text: string) => void;
  readonly refused: (what: string) => void;
}

export class Session {
  readonly #options: SessionOptions;
  #link: Link | undefined;
  #opening: Promise<Link> | undefined;
  #failures = 0;
  #notBefore = 0;
  #openedAt = 0;
  #lastError: string | undefined;
  #calls = 0;
  /** Calls that go on while people are asked. */
  #held = 0;
  #used = performance.now();
  readonly #waiting: (() => void)[] = [];
  #idle: (() => void) | undefined;
  #closed = false;
  #began = false;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** Time of the last call; undefined while one is under way. */
  get idleSince(): number | undefined {
    return this.#calls + this.#held > 0 ? undefined : this.#used;
  }

  /** The last failure, for operators. */
  get trouble(): string | undefined {
    return this.#lastError;
  }

  get link(): Link | undefined {
    return this.#link?.alive === true ? this.#link : undefined;
  }

  /** Connects, if it is not. @throws why it cannot */
  async open(): Promise<Link> {
    const { link } = this;
    if (link !== undefined) return link;
    if (this.#closed) throw new Error('its source is closed');
    if (this.#opening === undefined) {
      const wait_ms = this.#notBefore - performance.now();
      if (wait_ms > MACHINE.tool_wait_ms.default)
        throw new Error(`${this.#lastError ?? 'it was lost'}; it is tried again in ${Math.ceil(wait_ms / 1_000)} s`);
      const after = new Promise<void>((resolve) => (wait_ms > 0 ? setTimeout(resolve, wait_ms).unref() : resolve()));
      this.#opening = after.then(() => this.#open()).finally(() => (this.#opening = undefined));
    }
    return this.#opening;
  }

  async #open(): Promise<Link> {
    const { server, tell } = this.#options;
    try {
      const link: Link = await this.#options.link({
        lost: (why) => this.#lost(link, why),
        listChanged: () => this.#options.listChanged(link),
        refused: this.#options.refused,
      });
      if (this.#closed) {
        await link.close();
        throw new Error('its source is closed');
      }
      try {
        await this.#options.opened(link);
      } catch (error) {
        await link.close();
        throw error;
      }
      this.#link = link;
      this.#openedAt = performance.now();
      this.#lastError = undefined;
      if (this.#began) tell('restarted', `The MCP server ${server} was connected again.`);
      this.#began = true;
      return link;
    } catch (error) {
      // Nothing is wrong with the server, and nothing is gained by waiting.
      if (error instanceof LoginNeeded) throw error;
      this.#failed(error instanceof Error ? error.message : String(error));
      if (!this.#closed) tell('broken', `The MCP server ${server} could not be connected: ${this.#lastError}.`);
      throw error;
    }
  }

  #failed(why: string): void {
    if (this.#openedAt > 0 && performance.now() - this.#openedAt > WELL_MS) this.#failures = 0;
    this.#openedAt = 0;
    this.#lastError = why;
    this.#notBefore = performance.now() + Math.min(BACKOFF_MS * 2 ** this.#failures, BACKOFF_MOST_MS);
    this.#failures += 1;
  }

  #lost(link: Link, why: string): void {
    if (this.#link !== link) return;
    this.#link = undefined;
    if (this.#closed) return;
    const words = link.lastWords.trim().split('\n').slice(-1)[0];
    const said = words === undefined || words === '' ? '' : `; it wrote: ${words.slice(0, 300)}`;
    // The first loss is made good at once.
    const first = this.#failures === 0;
    this.#failed(`${why}${said}`);
    if (first) this.#notBefore = 0;
    this.#options.tell('ended', `The MCP server ${this.#options.server} was lost: ${why}${said}.`);
  }

  /** Keeps the connection for a call that goes on while people are asked. @returns what ends that */
  hold(): () => void {
    this.#held += 1;
    return () => {
      this.#held -= 1;
      this.#used = performance.now();
    };
  }

  /** Never rejects. @param work makes the call on a connection */
  async call(tool: string, call: ToolCall, work: (link: Link) => Promise<ToolAnswer>): Promise<ToolAnswer> {
    this.#calls += 1;
    let link: Link | undefined;
    try {
      if (this.#calls > IN_FLIGHT) await new Promise<void>((resolve) => this.#waiting.push(resolve));
      if (call.signal.aborted) return notStarted(tool, 'it was given up');
      try {
        link = this.link ?? (await within(this.open(), call.signal));
      } catch (error) {
        if (error instanceof LoginNeeded) throw error;
        return notStarted(tool, `${this.#options.server} cannot be connected: ${error instanceof Error ? error.message : String(error)}`);
      }
      return await work(link);
    } catch (error) {
      return failureOf(tool, error, link?.alive === false ? link.why : undefined);
    } finally {
      this.#calls -= 1;
      if (call.signal.aborted) void link?.mustAnswer();
      this.#used = performance.now();
      this.#waiting.shift()?.();
      if (this.#calls === 0) this.#idle?.();
    }
  }

  /** Calls under way have `within_ms` to end. */
  async close(within_ms: number): Promise<void> {
    if (this.#calls > 0 && within_ms > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#idle = resolve;
      const timer = setTimeout(resolve, within_ms);
      await promise;
      clearTimeout(timer);
    }
    this.#closed = true;
    await (this.#link ?? (await this.#opening?.catch(() => undefined)))?.close();
  }
}

/** Waits for a connection as long as a call waits for a process of tools. */
async function within(opening: Promise<Link>, signal: AbortSignal): Promise<Link> {
  const { promise, reject } = Promise.withResolvers<never>();
  const most = MCP.connect_ms.default;
  const timer = setTimeout(() => reject(new Error(`it did not answer within ${most} ms`)), most);
  const give = () => reject(new Error('the call was given up'));
  signal.addEventListener('abort', give, { once: true });
  try {
    return await Promise.race([opening, promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', give);
  }
}
