/** Reads a configuration, checks it as a whole, and gives it a version: the digest of its contents. */
import { hash } from 'node:crypto';
import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CorralError } from '@corral/protocol/errors';
import { canonical, type Json } from '@corral/protocol/json';
import type { MemoryStore } from '@corral/protocol/ports/memory';
import type { PinnedSource, ToolPins } from '@corral/protocol/ports/pins';
import type { StartProgram } from '@corral/protocol/ports/program';
import type { Tool, ToolCall, ToolSource } from '@corral/protocol/ports/tool';
import { readingTools, writingTools } from '@corral/tools/fs';
import type { ToolNews } from '@corral/tools/host/keeper';
import type { ReadSecret } from '@corral/tools/host/process';
import { labelTools } from '@corral/tools/labels';
import { resolveReturns } from '@corral/tools/returned-fields';
import type { Resolve } from '@corral/tools/net/guarded';
import { questionTools } from '@corral/tools/questions';
import { fixedSource, joinedSources } from '@corral/tools/sources';
import type { Isolation, TenantOptions } from '@corral/supervisor';
import { undeclaredSecrets } from './asked-secrets.ts';
import { faultsOf } from './issues.ts';
import { faultsOfIssuers } from './issuers.ts';
import { loginsIn } from './logins.ts';
import { PolicyLoader, type PolicyAlarm } from './policies.ts';
import { lineOf, placeIn, readConfig, type KeptFiles, type ReadFile } from './read.ts';
import { Config } from './schema.ts';
import { faultsOfBindings, rolesIn } from './secret-callers.ts';
import { Vault, type AccountRecord } from './secrets.ts';
import type { LoginStore } from '../people/login-store.ts';
import type { Logins } from './mcp.ts';
import { tenantsOf } from './tenants.ts';
import { faultsOfNames, type Fault } from './whole.ts';

export interface LoadedConfig {
  /** `sha256:…` of the file and of everything it imports or names. */
  readonly version: string;
  readonly file: string | undefined;
  readonly config: Config;
  /** The configuration as data: tools by their declarations, secrets as references. */
  readonly summary: Json;
  readonly tenants: Readonly<Record<string, TenantOptions>>;
  /** Principals that the configuration names, in policies or as owners: a token of such a name has authority. */
  readonly named: ReadonlySet<string>;
  readonly vault: Vault;
  /** The logins at MCP servers, by the name of the server. */
  readonly logins: Logins;
  /** The texts it was made of, from which it can be made again. */
  readonly kept: KeptFiles;
  /** Faults that do not prevent its use, as sentences. */
  readonly notes: readonly string[];
  /** The lists of tools in it that others declare, and a person has to accept. */
  readonly pinned: readonly PinnedSource[];
  /** No call goes to its tools after this; calls under way may take this long to finish. */
  close(within_ms?: number): Promise<void>;
  /** Calls back when its sources have other tools than those it was made with: other objects, whatever they declare. */
  onChange(listener: () => void): void;
}

/** A report about tools for operators: a line they wrote, an exception, or a call that failed. Secrets are removed. */
export type ToolReport =
  | ToolNews
  | {
      readonly kind: 'failed';
      readonly tool: string;
      readonly call: string;
      readonly tenant: string;
      readonly run: string;
      readonly text: string;
    };

export interface LoadOptions {
  /** Given on the command line; overrides the file. */
  readonly files?: Config['files'];
  readonly alarm?: PolicyAlarm;
  /** Leaves the file's own policies unread. */
  readonly withoutPolicies?: true;
  /** Whether a secret that refers to nothing is refused, noted, or not looked for. */
  readonly secrets?: 'refused' | 'noted';
  readonly tell?: (report: ToolReport) => void;
  /**
   * Sources besides those of the file. They are opened in order for each configuration, and closed with it, or as soon as a later one
   * could not be opened.
   */
  readonly sources?: readonly (() => Promise<ToolSource>)[] | undefined;
  /** Which accounts were used and revoked; left out: nothing is known of that, and nobody revokes any. */
  readonly accounts?: AccountRecord | undefined;
  /** The logins of the host. Left out: nobody is signed in anywhere. */
  readonly logins?: LoginStore | undefined;
  /** Finds the addresses of hosts that agents ask by HTTP, and of MCP servers; left out: as the system does. */
  readonly resolveHost?: Resolve | undefined;
  /** Where accepted lists of tools are kept. Left out: nothing is kept, and each load accepts what it finds. */
  readonly pins?: ToolPins;
  /** The memories of agents, while a data folder is open. Left out: calls of memories fail. */
  readonly memory?: (() => MemoryStore | undefined) | undefined;
  /** Starts the programs of MCP servers. Left out: behind the walls that are found on this machine. */
  readonly programs?: StartProgram;
  /** Holds instead of what the file says. */
  readonly instead?: Partial<Pick<Config, 'policies' | 'risk'>>;
  /** Puts others in the places of the tools, as `corral dev` does with answers from files. */
  readonly replace?: (tools: readonly Tool[]) => readonly Tool[];
  /** Uses these texts instead of the files on disk. */
  readonly kept?: KeptFiles | undefined;
  /** The isolation of a tenant if the configuration does not set it. */
  readonly isolation?: (tenant: string) => Isolation;
}

/**
 * @param file `corral.config.ts` or JSON; undefined: the defaults
 * @throws CORRAL_CONFIG_INVALID, CORRAL_POLICY_INVALID, naming every fault
 */
export async function loadConfig(
  file: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  more: LoadOptions = {},
): Promise<LoadedConfig> {
  let vault: Vault | undefined;
  const tell = (report: ToolReport) => more.tell?.(vault === undefined ? report : { ...report, text: vault.redact(report.text) });
  const secret: ReadSecret = (name, caller) =>
    vault?.read(name, caller) ??
    Promise.reject(new CorralError('CORRAL_SECRET_MISSING', 'Secrets are read by tools, not while the file is loaded.'));
  const path = file === undefined ? undefined : resolve(file);
  const nothing: ReadFile = { value: {}, text: '', code: {}, source: undefined };
  const read = path === undefined ? nothing : await readConfig(path, { env, secret, tell, kept: more.kept });
  try {
    const parsed = Config.safeParse(read.value);
    if (!parsed.success) throw refusal(file, read.text, faultsOf(parsed.error.issues, Config));
    const config: Config = { ...parsed.data, ...more.instead, files: { ...parsed.data.files, ...more.files } };
    vault = new Vault(config.secrets, env, { rolesOf: rolesIn(config), accounts: more.accounts });
    const models = await modelsOf(config);
    const inspecting = await inspectingOf(config);
    const mcp = await mcpOf(config);
    const wrong = [
      ...(mcp?.faultsOfMcp(config.mcp, config.secrets) ?? []),
      ...((await openApiOf(config))?.faultsOfOpenApi(config.openapi, config.secrets) ?? []),
      ...(models?.faultsOfModels(config.models, config.secrets) ?? []),
      ...faultsOfBindings(config),
      ...((await httpOf(config))?.faultsOfHttp(config.http, config.secrets) ?? []),
      ...(inspecting?.faultsOfInspectors(config.inspectors, config.models, config.secrets) ?? []),
    ];
    if (wrong.length > 0) throw refusal(file, read.text, wrong);
    return await assembled(path, config, read, vault, { ...more, tell });
  } catch (error) {
    await read.source?.close(0);
    throw error;
  }
}

/** A configuration with its tools and policies, all checked against each other. */
async function assembled(
  path: string | undefined,
  config: Config,
  read: ReadFile,
  vault: Vault,
  more: LoadOptions & { readonly tell: (report: ToolReport) => void },
): Promise<LoadedConfig> {
  const base = path === undefined ? process.cwd() : dirname(path);
  const logins = await loginsIn(config, vault, more);
  const source = await sourceOf(config, base, read, vault, path ?? 'the configuration', { ...more, signedIn: logins });
  try {
    return await withTools(path, config, read, vault, { ...more, base, source, signedIn: logins });
  } catch (error) {
    await source.close(0);
    throw error;
  }
}

async function withTools(
  path: string | undefined,
  config: Config,
  read: ReadFile,
  vault: Vault,
  more: LoadOptions & {
    readonly tell: (report: ToolReport) => void;
    readonly base: string;
    readonly source: ToolSource;
    readonly signedIn: Logins;
  },
): Promise<LoadedConfig> {
  const { base, source } = more;
  const changes = new Changes(source);
  const own = (more.replace?.(changes.tools) ?? changes.tools).map((tool) =>
    watched(vault.guard(noted(tool, config.annotations[tool.name as never])), more.tell),
  );
  mustDiffer(own, path ?? 'The configuration');
  const missing: Fault[] = more.secrets === undefined ? [] : await vault.missing();
  const issuers = faultsOfIssuers(config).map((fault): Fault => {
    const [at = '', ...message] = fault.split(': ');
    return { path: at.split('.'), message: message.join(': ') };
  });
  const wrong = [...faultsOfNames(config, own), ...issuers, ...(more.secrets === 'refused' ? missing : [])];
  if (wrong.length > 0) throw refusal(path, read.text, wrong);
  const inspecting = await inspectingOf(config);
  if (inspecting !== undefined) await vault.learn();
  const inspectors = inspecting?.inspectorsOf(config.inspectors, own, vault) ?? [];
  const rules = inspecting?.inspectorRules(config.inspectors);
  const loader = new PolicyLoader(base, { alarm: more.alarm, kept: more.kept?.policies, inspectors, rules });
  if (config.label_owner !== undefined) loader.named.add(config.label_owner);
  // Somebody who makes a token of such a name could read what is private to it.
  for (const { annotations } of own) if (annotations.private_to !== undefined) loader.named.add(annotations.private_to);
  const { tenants, said, beside } = await tenantsOf(config, own, loader, { ...more, inspectors });
  const imported = importedBy(path, read);
  const documents = documentsOf(source);
  const summary = JSON.parse(
    JSON.stringify({
      ...config,
      tools: own.map((tool) => declared(tool)),
      ...(Object.keys(imported).length === 0 ? {} : { imports: imported }),
      ...(Object.keys(documents).length === 0 ? {} : { documents }),
      ...(Object.keys(said).length === 0 ? {} : { policy_versions: said }),
      ...(Object.keys(beside).length === 0 ? {} : { shadow_versions: beside }),
    }),
  ) as Json;
  return {
    version: `sha256:${hash('sha256', `${read.text}\n${canonical(summary)}`)}`,
    file: path,
    config,
    summary,
    tenants,
    named: loader.named,
    vault,
    logins: more.signedIn,
    kept: { text: read.text, code: read.code, policies: loader.texts },
    notes: [...missing.map(({ message }) => message), ...undeclaredSecrets(read.code, Object.keys(config.secrets))],
    async close(within_ms) {
      changes.end();
      await source.close(within_ms);
      for (const one of inspectors) await one.close?.();
    },
    onChange: (listener) => changes.listen(listener),
    pinned: source.pinned ?? [],
  };
}

/** Digests of what documents declare, so that another document is another version of the configuration, which may then be reviewed. */
const documentsOf = ({ pinned = [] }: ToolSource): Record<string, string | null> =>
  Object.fromEntries(
    pinned.filter(({ source }) => source.startsWith('openapi:')).map((one) => [one.source, one.review().offered?.digest ?? null]),
  );

/** Digests of the files that a configuration imports, so that a change in one of them changes the configuration's version. */
function importedBy(path: string | undefined, { code }: ReadFile): Record<string, string> {
  if (path === undefined) return {};
  return Object.fromEntries(
    Object.entries(code)
      .map(([url, { text }]) => [fileURLToPath(url), text] as const)
      .filter(([file]) => file !== path)
      .map(([file, text]) => [relative(dirname(path), file), `sha256:${hash('sha256', text)}`] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

function refusal(file: string | undefined, text: string, faults: readonly Fault[]): CorralError {
  const each = faults.map(({ path, message }) => {
    const line = lineOf(text, path);
    const where = path.length === 0 ? '' : `${path.map(String).join('.')}: `;
    return `${where}${message}${line === undefined ? '' : ` (line ${line})`}`;
  });
  return new CorralError('CORRAL_CONFIG_INVALID', `${file ?? 'The configuration'} was refused: ${each.join('; ')}.`);
}

/** The tool, with its failures reported to operators. */
function watched(tool: Tool, tell: (report: ToolReport) => void): Tool {
  return {
    ...tool,
    async invoke(call: ToolCall) {
      const result = await tool.invoke(call);
      if (result.kind !== 'ok' && result.detail !== undefined)
        tell({ kind: 'failed', tool: tool.name, call: call.idempotency_key, tenant: call.tenant, run: call.run, text: result.detail });
      return result;
    },
  };
}

/** The part of the configuration that knows models; loaded only where there are some, since the table of prices takes time. */
const modelsOf = async ({ models }: Config) => (Object.keys(models).length === 0 ? undefined : import('./models.ts'));

/** The part of the configuration that knows HTTP; loaded only where there is some. */
const httpOf = async ({ http }: Config) => (Object.keys(http).length === 0 ? undefined : import('./http.ts'));

/** The part of the configuration that knows memories; loaded only where there are some. */
const memoryOf = async ({ memory }: Config) => (Object.keys(memory).length === 0 ? undefined : import('./memory.ts'));

/** The part of the configuration that knows inspectors; loaded only where there are some. */
const inspectingOf = async ({ inspectors }: Config) => (Object.keys(inspectors).length === 0 ? undefined : import('./inspectors.ts'));

/** The part of the configuration that knows OpenAPI; loaded only where there are documents. */
const openApiOf = async ({ openapi }: Config) => (Object.keys(openapi).length === 0 ? undefined : import('./openapi.ts'));

/** The part of the configuration that knows MCP; loaded only where there are servers. */
const mcpOf = async ({ mcp }: Config) => (Object.keys(mcp).length === 0 ? undefined : import('./mcp.ts'));

/** Nothing is kept: each load accepts what it finds. */
const NO_PINS: ToolPins = { get: () => undefined, put: () => undefined };

/** Everything that a configuration has tools from, as one source. */
async function sourceOf(
  config: Config,
  base: string,
  read: ReadFile,
  vault: Vault,
  from: string,
  {
    sources = [],
    pins = NO_PINS,
    programs: start,
    resolveHost,
    memory = () => undefined,
    tell = () => undefined,
    signedIn,
  }: LoadOptions & { readonly signedIn: Logins },
): Promise<ToolSource> {
  if (read.source === undefined && (typeof config.tools === 'function' || config.tools.length > 0))
    throw new CorralError('CORRAL_CONFIG_INVALID', `${from} was refused: tools: they are code, so they need a .ts file.`);
  const opened: ToolSource[] = [];
  try {
    const { read: reads, write: writes } = config.files;
    const redact = (text: string) => vault.redact(text);
    const own = fixedSource([
      ...(reads === undefined ? [] : await readingTools(resolve(base, reads))),
      ...(writes === undefined ? [] : await writingTools(resolve(base, writes))),
      ...(config.label_owner === undefined ? [] : labelTools(config.label_owner)),
      ...((await modelsOf(config))?.modelTools(config.models, base, { secret: (name) => vault.read(name), redact }) ?? []),
      ...((await httpOf(config))?.httpTools(config.http, { secret: vault.read, redact, resolve: resolveHost }) ?? []),
      ...((await memoryOf(config))?.memoryToolsOf(config, memory) ?? []),
    ]);
    opened.push(own);
    if (read.source !== undefined) {
      opened.push(read.source);
      await read.source.make();
    }
    const openapi = await openApiOf(config);
    const asks = { base, secret: vault.read, redact, resolve: resolveHost, pins };
    for (const [name, said] of Object.entries(config.openapi))
      if (openapi !== undefined) opened.push(await openapi.openOpenApi(name, said, asks));
    const mcp = await mcpOf(config);
    if (mcp !== undefined) {
      const powers = { base, secret: vault.read, pins, start, tell, redact, resolve: resolveHost };
      const servers = await Promise.allSettled(
        Object.entries(config.mcp).map(([name, server]) => mcp.openMcp(name, server, { ...powers, logins: signedIn.get(name) })),
      );
      opened.push(...servers.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])));
      const failed = servers.find((one) => one.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    }
    for (const open of sources) opened.push(await open());
    // Last, so that the tools of the configuration come first in lists.
    opened.push(fixedSource(questionTools()));
    return joinedSources(opened);
  } catch (error) {
    await joinedSources(opened).close(0);
    const message = error instanceof Error ? error.message : String(error);
    throw new CorralError('CORRAL_CONFIG_INVALID', `The tools of ${from} could not be made: ${message}${placeIn(from, error)}`, {
      cause: error,
    });
  }
}

function mustDiffer(tools: readonly Tool[], from: string): void {
  const seen = new Set<string>();
  for (const { name } of tools) {
    if (seen.has(name)) throw new CorralError('CORRAL_CONFIG_INVALID', `${from} offers two tools called ${name}.`);
    seen.add(name);
  }
}

/** The tools of a source, and its changes since they were read, for a listener that comes later. */
class Changes {
  readonly tools: readonly Tool[];
  readonly #stop: () => void;
  #changed = false;
  #listener: (() => void) | undefined;

  constructor(source: ToolSource) {
    this.tools = source.tools();
    this.#stop = source.onChange(() => {
      const now = source.tools();
      if (now.length === this.tools.length && now.every((tool, i) => tool === this.tools[i])) return;
      this.#changed = true;
      this.#listener?.();
    });
  }

  listen(listener: () => void): void {
    this.#listener = listener;
    if (this.#changed) listener();
  }

  end(): void {
    this.#listener = undefined;
    this.#stop();
  }
}

/** A tool with the annotations that the configuration gives it. */
function noted(tool: Tool, notes: Config['annotations'][keyof Config['annotations']] | undefined): Tool {
  if (notes === undefined) return tool;
  const { returns: said, ...others } = notes;
  const { trusted_fields: _, ...own } = tool.annotations;
  const { faults: __, ...returned } = said === undefined ? { faults: [] } : resolveReturns(said, () => tool.output.schema);
  return {
    ...tool,
    annotations: { ...(said === undefined ? tool.annotations : own), ...others, ...returned },
    invoke: (call) => tool.invoke(call),
    ...(tool.close === undefined ? {} : { close: async () => tool.close?.() }),
  };
}

/** The declarations of a tool, as data. */
export function declared(tool: Tool) {
  return {
    tool: tool.name,
    description: tool.description,
    input: tool.input.schema,
    output: tool.output.schema,
    annotations: tool.annotations as unknown as Record<string, Json>,
  };
}

export interface Change {
  readonly path: string;
  readonly now: Json;
  readonly next: Json;
}

/** The differences between two configurations as data, leaf by leaf; tools are compared by name. */
export function differences(now: Json, next: Json, path = ''): Change[] {
  if (canonical(now) === canonical(next)) return [];
  if (path === 'tools' && Array.isArray(now) && Array.isArray(next)) return differences(byName(now), byName(next), path);
  const isObject = (value: Json): value is Record<string, Json> => typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isObject(now) || !isObject(next)) return [{ path, now, next }];
  return [...new Set([...Object.keys(now), ...Object.keys(next)])]
    .sort()
    .flatMap((key) => differences(now[key] ?? null, next[key] ?? null, path === '' ? key : `${path}.${key}`));
}

const byName = (tools: readonly Json[]): Json => Object.fromEntries(tools.map((one) => [(one as { readonly tool: string }).tool, one]));
