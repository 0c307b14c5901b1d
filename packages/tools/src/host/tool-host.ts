/**
 * The tools of a configuration, as a source of tools whose code is in a process of its own. The process is replaced when it dies or when
 * code in it threw where nobody catches it; the code stays that which was loaded first, whatever becomes of the files.
 */
import * as z from 'zod';
import { Costs } from '@corral/protocol/cost';
import { CorralError } from '@corral/protocol/errors';
import { ToolName } from '@corral/protocol/ids';
import { canonical } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import type { Tool, ToolAnnotations, ToolCall, ToolResult, ToolSource } from '@corral/protocol/tool';
import { contractBy } from './contracts.ts';
import { ToolProcess, type Loaded } from './process.ts';
import type { CodeFiles } from './wire.ts';

/** What operators are told of the process of tools. */
export interface ToolNews {
  readonly kind: 'output' | 'uncaught' | 'ended' | 'restarted' | 'broken';
  /** A line that tools wrote, an exception with its stack, or why the process ended. */
  readonly text: string;
  /** Whose call it came from, where that is known. */
  readonly tool?: string;
}

export interface ToolHostOptions {
  /** The module whose default export has `tools`. */
  readonly url: string;
  readonly lent: Readonly<Record<string, string>>;
  /** Code to load instead of what is on disk. */
  readonly files?: CodeFiles;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly secret: (name: string) => Promise<string>;
  readonly tell: (news: ToolNews) => void;
}

const BACKOFF_MS = 200;
const BACKOFF_MOST_MS = 30_000;
/** A process that lived so long was well. */
const WELL_MS = 60_000;
/** What an attempt that never began has cost. */
const FREE = { tokens: 0, money_micros: 0 };

const Annotations = z.strictObject({
  readOnly: z.boolean(),
  idempotent: z.boolean(),
  destructive: z.boolean(),
  openWorld: z.boolean(),
  repeatable: z.boolean(),
  returns: z.enum(['trusted', 'untrusted']),
  destinations: z.array(z.string().min(1)).optional(),
  money: z.string().min(1).optional(),
  costs: Costs.optional(),
  private_to: z.string().min(1).optional(),
  relabels: z.strictObject({ kind: z.enum(['endorse', 'declassify']), owner: z.string().min(1) }).optional(),
  resource: z.string().min(1).optional(),
});
const Description = z.strictObject({
  name: ToolName.refine((name) => !name.startsWith('service:'), 'names that begin with service: are for services'),
  description: z.string(),
  input: z.unknown(),
  output: z.unknown(),
  annotations: Annotations,
  timeout_ms: z.int().min(1).max(MACHINE.call_timeout_ms.max).optional(),
});

export class ToolHost implements ToolSource {
  readonly #options: ToolHostOptions;
  readonly loaded: Loaded;
  #tools: readonly Tool[] = [];
  /** The descriptions as they were first, in canonical form. */
  #described = '';
  #process: ToolProcess | undefined;
  /** Settles once there is a process again. */
  #starting: Promise<ToolProcess | undefined> | undefined;
  #started = 0;
  #failures = 0;
  #closed = false;

  private constructor(options: ToolHostOptions, process: ToolProcess, loaded: Loaded) {
    this.#options = options;
    this.#process = process;
    this.loaded = loaded;
  }

  /** Loads the module. @throws CORRAL_CONFIG_INVALID, with the stack as its cause */
  static async open(options: ToolHostOptions): Promise<ToolHost> {
    // Events of the process go to the host that is made of it.
    let host: ToolHost | undefined;
    const process = new ToolProcess({
      env: options.env,
      secret: options.secret,
      output: (text) => options.tell({ kind: 'output', text }),
      uncaught: (detail, tool) => {
        if (host === undefined) options.tell(thrown(detail, tool));
        else host.#uncaught(process, detail, tool);
      },
      ended: (why) => {
        if (host !== undefined) host.#ended(process, why);
      },
    });
    try {
      const loaded = await process.load(options.url, options.lent, options.files ?? {});
      host = new ToolHost(options, process, loaded);
      host.#started = performance.now();
      return host;
    } catch (error) {
      process.kill('it could not be loaded');
      throw error;
    }
  }

  /** Makes the tools; a module that lists none needs no process from then on. @throws CORRAL_CONFIG_INVALID, naming the tool */
  async make(): Promise<readonly Tool[]> {
    const { loaded } = this;
    if (!loaded.makes || this.#process === undefined) {
      await this.close(0);
      return [];
    }
    const described = await this.#process.make();
    this.#tools = described.map((one, i) => this.#toolOf(one, i));
    this.#described = canonical(described);
    return this.#tools;
  }

  tools(): readonly Tool[] {
    return this.#tools;
  }

  /** No call goes to it from now on; those under way have a while to end. */
  async close(within_ms: number = MACHINE.tool_drain_ms.default): Promise<void> {
    this.#closed = true;
    const process = this.#process ?? (await this.#starting);
    this.#process = undefined;
    await process?.retire(within_ms);
  }

  #toolOf(described: unknown, i: number): Tool {
    const parsed = Description.safeParse(described);
    const called = (described as { readonly name?: unknown } | null)?.name;
    const whose = typeof called === 'string' ? `tool ${called}` : `tool number ${i + 1}`;
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      throw new CorralError('CORRAL_CONFIG_INVALID', `${whose}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'it is no tool'}`);
    }
    const { name, description, annotations, timeout_ms, input, output } = parsed.data;
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
    const process = this.#process?.alive === true ? this.#process : await this.#another(call.signal);
    if (process === undefined || call.signal.aborted) {
      const message = `${name} was not started: the process of the tools is not up.`;
      return { kind: 'failed', message, retryable: true, cost: FREE };
    }
    return process.invoke(name, call);
  }

  /** A process, where one comes in time. */
  async #another(signal: AbortSignal): Promise<ToolProcess | undefined> {
    if (this.#closed || this.#starting === undefined) return undefined;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => resolve(undefined), MACHINE.tool_wait_ms.default);
    const give = () => resolve(undefined);
    signal.addEventListener('abort', give, { once: true });
    try {
      return await Promise.race([this.#starting, promise]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', give);
    }
  }

  /** The process goes on with what it has, and makes room for another as soon as that is up. */
  #uncaught(process: ToolProcess, detail: string, tool: string | undefined): void {
    this.#options.tell(thrown(detail, tool));
    if (this.#process === process) this.#replace();
  }

  #ended(process: ToolProcess, why: string): void {
    if (this.#process !== process) return;
    this.#process = undefined;
    this.#options.tell({ kind: 'ended', text: `The process of the tools ended: ${why}.` });
    this.#replace();
  }

  /** Starts another process, later each time that one did not last. */
  #replace(): void {
    if (this.#closed || this.#starting !== undefined || this.#tools.length === 0) return;
    if (performance.now() - this.#started > WELL_MS) this.#failures = 0;
    const wait_ms = this.#failures === 0 ? 0 : Math.min(BACKOFF_MS * 2 ** (this.#failures - 1), BACKOFF_MOST_MS);
    this.#failures += 1;
    this.#starting = (async () => {
      await new Promise<void>((resolve) => setTimeout(resolve, wait_ms).unref());
      const next = await this.#start();
      const before = this.#process;
      this.#starting = undefined;
      if (this.#closed || next === undefined) {
        next?.kill('it is not needed');
        if (!this.#closed) this.#replace();
        return undefined;
      }
      this.#process = next;
      this.#started = performance.now();
      this.#options.tell({ kind: 'restarted', text: 'The process of the tools was started again.' });
      void before?.retire(MACHINE.tool_drain_ms.default);
      return next;
    })();
  }

  async #start(): Promise<ToolProcess | undefined> {
    const { url, lent, env, secret, tell } = this.#options;
    const process: ToolProcess = new ToolProcess({
      env,
      secret,
      output: (text) => tell({ kind: 'output', text }),
      uncaught: (detail, tool) => this.#uncaught(process, detail, tool),
      ended: (why) => this.#ended(process, why),
    });
    try {
      await process.load(url, lent, this.loaded.files);
      if (canonical(await process.make()) !== this.#described) throw new Error('its tools are not what they were');
      return process;
    } catch (error) {
      process.kill('it could not be loaded');
      tell({ kind: 'broken', text: `The process of the tools could not be started again: ${(error as Error).message}.` });
      return undefined;
    }
  }
}

const thrown = (text: string, tool: string | undefined): ToolNews => ({ kind: 'uncaught', text, ...(tool === undefined ? {} : { tool }) });
