/** The soak's host: a real `corral up` on a folder of its own, which is stopped, killed and started again from outside. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transportTo } from '@corral/client/node';
import { createClient, type Client } from '@corral/protocol/api/client';
import type { CorralError } from '@corral/protocol/errors';
import { spawnHost, type HostProcess } from '../../e2e/chaos/process.ts';
import { family, processes, type Process } from '../../processes.ts';

const MAIN = fileURLToPath(import.meta.resolve('@corral/cli/main'));
const CONFIG = fileURLToPath(new URL('corral.config.ts', import.meta.url));
const AGAIN_MS = 100;
/** Maximum time until the children of a killed host are gone. */
const CHILDREN_MS = 10_000;
const RETRIED = new Set(['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ENOENT', 'CORRAL_UNREACHABLE', 'CORRAL_STARTING', 'CORRAL_STOPPING']);

export interface Life {
  /** Start of the process, in milliseconds since 1970. */
  readonly began_at: number;
  /** Time at which the host reported that it takes work, and end of this life; undefined while it lives. */
  readonly up_at: number;
  down_at: number | undefined;
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export class SoakHost {
  readonly lives: Life[] = [];
  readonly stops = { SIGTERM: 0, SIGKILL: 0 };
  /** Faults of starting and stopping. */
  readonly wrong: string[] = [];
  readonly starts_ms: number[] = [];
  /** A client over the socket, as the owner of the folder. */
  readonly admin: Client;
  readonly data: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #log: (text: string) => void;
  #process: HostProcess | undefined;
  #url = '';

  constructor(folder: string, env: NodeJS.ProcessEnv, log: (text: string) => void) {
    this.data = join(folder, 'd');
    this.#env = { ...process.env, ...env };
    this.#log = log;
    this.admin = createClient(transportTo({ socket: join(this.data, 'corral.sock') }));
  }

  /** Starts the host; resolves when it takes work. @throws Error if its process ends instead */
  async start(): Promise<void> {
    const began = Date.now();
    const args = [MAIN, 'up', '--data', this.data, '--config', CONFIG, '--port', '0', '--json'];
    const host = spawnHost(args, { env: this.#env, onError: this.#log });
    this.#process = host;
    const first = await host.lines[Symbol.asyncIterator]().next();
    const said = first.done === true ? undefined : (JSON.parse(first.value) as { url?: string });
    if (said?.url === undefined) throw new Error(`The host did not start (exit code ${await host.gone}): ${first.value as string}`);
    this.#url = said.url;
    this.starts_ms.push(Date.now() - began);
    this.lives.push({ began_at: began, up_at: Date.now(), down_at: undefined });
    // A host that ends by itself is recorded as a fault; the soak continues with another one.
    void this.#replace(host);
  }

  async #replace(host: HostProcess): Promise<void> {
    const code = await host.gone;
    if (this.#process !== host) return;
    this.wrong.push(`the host ended by itself, with exit code ${code}`);
    this.#over();
    await this.start();
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const host = this.#process;
    if (host === undefined) return;
    const children = this.processes().slice(1);
    this.#over();
    this.stops[signal] += 1;
    host.kill(signal);
    const code = await host.gone;
    if (signal === 'SIGTERM' && code !== 0) this.wrong.push(`after SIGTERM the host ended with exit code ${code}`);
    const deadline = Date.now() + CHILDREN_MS;
    const left = () => {
      const now = new Map(processes().map((one) => [one.pid, one.started]));
      return children.filter(({ pid, started }) => now.get(pid) === started);
    };
    while (left().length > 0 && Date.now() < deadline) await pause(AGAIN_MS);
    for (const { pid } of left()) {
      this.wrong.push(`process ${pid} outlived its host, which ended by ${signal}`);
      process.kill(pid, 'SIGKILL');
    }
  }

  get up(): Life | undefined {
    const last = this.lives.at(-1);
    return last?.down_at === undefined ? last : undefined;
  }

  /** The host's process, then its descendants. */
  processes(): Process[] {
    return family(this.#process?.pid);
  }

  descriptors(): number | undefined {
    try {
      return readdirSync(`/proc/${this.#process?.pid}/fd`).length;
    } catch {
      return undefined;
    }
  }

  /** A client over the network, with a token. */
  as(secret: string): Client {
    return createClient(transportTo({ url: this.#url }), secret);
  }

  /** Repeats a request over restarts of the host until it is answered. @throws refusals that another attempt would not change */
  async insist<T>(ask: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        const { code = '' } = error as NodeJS.ErrnoException | CorralError;
        if (signal?.aborted === true || !(RETRIED.has(code) || error instanceof SyntaxError)) throw error;
        await pause(AGAIN_MS);
      }
    }
  }

  #over(): void {
    const life = this.up;
    if (life !== undefined) life.down_at = Date.now();
    this.#process = undefined;
  }
}
