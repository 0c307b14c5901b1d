/**
 * The tools of a configuration, as a source of tools. Their code runs in processes, one for each tenant that calls them, so that the
 * calls of one tenant's agents cannot end those of another. All processes run the code that was loaded first, even if the files change.
 */
import * as z from 'zod';
import { Costs } from '@corral/protocol/model/cost';
import { CorralError } from '@corral/protocol/errors';
import { ToolName } from '@corral/protocol/ids';
import { canonical } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import { FIELD_PATH_CHARS, FIELD_PATHS_MAX } from '@corral/protocol/model/field-path';
import type { Tool, ToolAnnotations, ToolCall, ToolResult, ToolSource } from '@corral/protocol/ports/tool';
import { contractBy } from './contracts.ts';
import { Keeper, notStarted, type ToolNews } from './keeper.ts';
import { ToolProcess, type Loaded, type ReadSecret } from './process.ts';
import type { CodeFiles } from './wire.ts';

export interface ToolHostOptions {
  /** The module whose default export has `tools`. */
  readonly url: string;
  readonly lent: Readonly<Record<string, string>>;
  /** Code to load instead of the files on disk. */
  readonly files?: CodeFiles;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly secret: ReadSecret;
  readonly tell: (news: ToolNews) => void;
  /** Maximum number of processes. Default: the limit's default. */
  readonly processes?: number;
  /** A process without calls is ended after this time, unless it is the only one. Milliseconds; default: the limit's default. */
  readonly idle_ms?: number;
}

const Annotations = z.strictObject({
  readOnly: z.boolean(),
  idempotent: z.boolean(),
  destructive: z.boolean(),
  openWorld: z.boolean(),
  repeatable: z.boolean(),
  returns: z.enum(['trusted', 'untrusted']),
  trusted_fields: z.array(z.string().max(FIELD_PATH_CHARS)).max(FIELD_PATHS_MAX).optional(),
  destinations: z.array(z.string().min(1)).optional(),
  money: z.string().min(1).optional(),
  costs: Costs.optional(),
  private_to: z.string().min(1).optional(),
  relabels: z.strictObject({ kind: z.enum(['endorse', 'declassify']), owner: z.string().min(1) }).optional(),
  resource: z.string().min(1).optional(),
  polled: z.boolean().optional(),
});
const Description = z.strictObject({
  name: ToolName.refine((name) => !name.startsWith('service:'), 'names that begin with service: are for services'),
  description: z.string(),
  input: z.unknown(),
  output: z.unknown(),
  annotations: Annotations,
  timeout_ms: z.int().min(1).max(MACHINE.call_timeout_ms.max).optional(),
  may_hang: z.boolean(),
});

export class ToolHost implements ToolSource {
  readonly #options: ToolHostOptions;
  #loaded: Loaded | undefined;
  #tools: readonly Tool[] = [];
  readonly #mayHang = new Set<string>();
  /** The tools' descriptions as first loaded, in canonical form; a later process must have the same. */
  #described = '';
  /** By tenant, least recently used first. */
  readonly #keepers = new Map<string, Keeper>();
  /** The first process, which described the tools. The first tenant that calls one gets it. */
  #spare: Keeper | undefined;
  /** Calls that wait for another tenant's process to have no call. */
  readonly #waiting = new Set<() => void>();
  readonly #sweep: NodeJS.Timeout;
  /** The spare keeper's process, until it has described the tools. */
  #first: ToolProcess | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: ToolHostOptions) {
    this.#options = options;
    const idle_ms = options.idle_ms ?? MACHINE.tool_idle_ms.default;
    this.#sweep = setInterval(() => this.#closeIdle(idle_ms), idle_ms);
    this.#sweep.unref();
  }

  /** Loads the module. @throws CORRAL_CONFIG_INVALID, with the stack as its cause */
  static async open(options: ToolHostOptions): Promise<ToolHost> {
    const host = new ToolHost(options);
    host.#spare = host.#keeper();
    const process = host.#spare.begin();
    host.#first = process;
    try {
      host.#loaded = await process.load(options.url, options.lent, options.files ?? {});
      return host;
    } catch (error) {
      process.kill('it could not be loaded');
      await host.close(0);
      throw error;
    }
  }

  /** The exports of the module, and its files. @throws Error before `open` */
  get loaded(): Loaded {
    if (this.#loaded === undefined) throw new Error('nothing was loaded');
    return this.#loaded;
  }

  /** Makes the tools. If the module has none, the process is ended. @throws CORRAL_CONFIG_INVALID that names the tool */
  async make(): Promise<readonly Tool[]> {
    const first = this.#first;
    this.#first = undefined;
    if (!this.loaded.makes || first === undefined) {
      await this.close(0);
      return [];
    }
    const described = await first.make();
    this.#tools = described.map((one, i) => this.#toolOf(one, i));
    this.#described = canonical(described);
    return this.#tools;
  }

  tools(): readonly Tool[] {
    return this.#tools;
  }

  /** The code stays as first loaded, so the tools never change. */
  onChange(): () => void {
    return () => undefined;
  }

  close(within_ms: number = MACHINE.tool_drain_ms.default): Promise<void> {
    return (this.#closing ??= this.#close(within_ms));
  }

  async #close(within_ms: number): Promise<void> {
    clearInterval(this.#sweep);
    for (const wake of this.#waiting) wake();
    const keepers = [...this.#keepers.values(), ...(this.#spare === undefined ? [] : [this.#spare])];
    await Promise.all(keepers.map((keeper) => keeper.close(within_ms)));
  }

  #toolOf(described: unknown, i: number): Tool {
    const parsed = Description.safeParse(described);
    const called = (described as { readonly name?: unknown } | null)?.name;
    const whose = typeof called === 'string' ? `tool ${called}` : `tool number ${i + 1}`;
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      if (issue === undefined || issue.path.length === 0)
        throw new CorralError('CORRAL_CONFIG_INVALID', `${whose}: it is not what tool() makes`);
      throw new CorralError('CORRAL_CONFIG_INVALID', `${whose}: ${issue.path.join('.')}: ${issue.message}`);
    }
    const { name, description, annotations, timeout_ms, input, output, may_hang } = parsed.data;
    if (may_hang) this.#mayHang.add(name);
    const contract = (side: string, schema: unknown) => {
      try {
        return contractBy(schema);
      } catch (error) {
        throw new CorralError('CORRAL_CONFIG_INVALID', `${whose}: ${side}: ${(error as Error).message}`, { cause: error });
      }
    };
    return {
      name,
      description,
      input: contract('input', input),
      output: contract('output', output),
      annotations: annotations as ToolAnnotations,
      ...(timeout_ms === undefined ? {} : { timeout_ms }),
      invoke: (call) => this.#invoke(name, call),
    };
  }

  async #invoke(name: string, call: ToolCall): Promise<ToolResult> {
    const { tenant, signal } = call;
    const until = performance.now() + MACHINE.tool_wait_ms.default;
    while (this.#closing === undefined && !signal.aborted) {
      const keeper = this.#keeperOf(tenant);
      if (keeper !== undefined) {
        const result = await keeper.invoke(name, call);
        // Another tenant may be waiting for this process's place.
        if (keeper.idleSince !== undefined) for (const wake of this.#waiting) wake();
        return result;
      }
      if (performance.now() >= until) return notStarted(name, `all ${this.#most} processes of tools are busy with calls of other tenants`);
      await this.#room(until - performance.now(), signal);
    }
    return notStarted(name, 'the process of the tools is not running');
  }

  get #most(): number {
    return this.#options.processes ?? MACHINE.tool_processes.default;
  }

  /** The keeper of the tenant; undefined if the maximum is reached and all processes have calls of other tenants. */
  #keeperOf(tenant: string): Keeper | undefined {
    let keeper = this.#keepers.get(tenant);
    if (keeper === undefined) {
      if (this.#keepers.size >= this.#most && !this.#giveUp()) return undefined;
      keeper = this.#spare ?? this.#keeper();
      this.#spare = undefined;
    } else this.#keepers.delete(tenant);
    this.#keepers.set(tenant, keeper);
    return keeper;
  }

  /** Ends the least recently used process that has no call. @returns whether there was one */
  #giveUp(): boolean {
    for (const [tenant, keeper] of this.#keepers) {
      if (keeper.idleSince === undefined) continue;
      this.#keepers.delete(tenant);
      void keeper.close(0);
      return true;
    }
    return false;
  }

  /**
   * Ends processes that had no call for `idle_ms`. The last one stays, so that a host with one tenant does not restart it again and
   * again.
   */
  #closeIdle(idle_ms: number): void {
    for (const [tenant, keeper] of this.#keepers) {
      if (this.#keepers.size === 1) return;
      const since = keeper.idleSince;
      if (since === undefined || performance.now() - since < idle_ms) continue;
      this.#keepers.delete(tenant);
      void keeper.close(0);
    }
  }

  async #room(within_ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, within_ms);
    this.#waiting.add(resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
    await promise;
    this.#waiting.delete(resolve);
    clearTimeout(timer);
  }

  #keeper(): Keeper {
    const { url, lent, env, secret, tell } = this.#options;
    return new Keeper({
      tell,
      process: (events, stuck_ms) => new ToolProcess({ env, secret, stuck_ms, ...events }),
      mayHang: (name) => this.#mayHang.has(name),
      lasts: () => this.#tools.length > 0,
      load: async (process) => {
        await process.load(url, lent, this.loaded.files);
        if (canonical(await process.make()) !== this.#described) throw new Error('its tools differ from those that were loaded first');
      },
    });
  }
}
