/** Reads a configuration, checks it as a whole, and gives it a version: the digest of what it says. */
import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { registerHooks } from 'node:module';
import { dirname, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CorralError } from '@corral/protocol/errors';
import { readJson } from '@corral/protocol/json-text';
import { canonical, type Json } from '@corral/protocol/json';
import type { Tool } from '@corral/protocol/tool';
import { readingTools, writingTools } from '@corral/tools/fs';
import { labelTools } from '@corral/tools/labels';
import type { TenantOptions } from '@corral/supervisor';
import { faultsOf } from './issues.ts';
import { faultsOfIssuers } from './issuers.ts';
import { PolicyLoader, type PolicyAlarm } from './policies.ts';
import { Config } from './schema.ts';
import { Vault } from './secrets.ts';

export interface LoadedConfig {
  /** `sha256:…` of the file and of all it says. */
  readonly version: string;
  readonly file: string | undefined;
  readonly config: Config;
  /** The configuration as data: tools as what they declare, secrets as references. */
  readonly summary: Json;
  readonly tenants: Readonly<Record<string, TenantOptions>>;
  /** Principals that it names, in policies or as an owner: whoever is called so has a say. */
  readonly named: ReadonlySet<string>;
  readonly vault: Vault;
}

/**
 * @param file `corral.config.ts` or JSON; undefined: what holds when nothing is said
 * @param more said on the command line, over what the file says; `withoutPolicies` leaves the file's own policies unread
 * @throws CORRAL_CONFIG_INVALID, CORRAL_POLICY_INVALID, naming everything that is wrong
 */
export async function loadConfig(
  file: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  more: { readonly files?: Config['files']; readonly alarm?: PolicyAlarm; readonly withoutPolicies?: true } = {},
): Promise<LoadedConfig> {
  const { value, text } = file === undefined ? { value: {}, text: '' } : await read(resolve(file));
  const parsed = Config.safeParse(value);
  if (!parsed.success) {
    throw new CorralError('CORRAL_CONFIG_INVALID', `${file} was refused: ${faultsOf(parsed.error.issues).join('; ')}.`);
  }
  const base = file === undefined ? process.cwd() : dirname(resolve(file));
  const config: Config = { ...parsed.data, files: { ...parsed.data.files, ...more.files } };
  const vault = new Vault(config.secrets, env);
  const tools = await toolsOf(config, base, vault, file ?? 'the configuration');
  const known = new Set(tools.map((tool) => tool.name));
  const wrong = [
    ...Object.entries(config.tenants).flatMap(([tenant, { tools: names }]) =>
      names.filter((name) => name !== '*' && !known.has(name)).map((name) => `tenants.${tenant}.tools: there is no tool ${name}`),
    ),
    ...config.webhooks
      .filter(({ secret }) => !Object.hasOwn(config.secrets, secret))
      .map(({ secret }) => `webhooks: there is no secret ${secret}`),
    ...config.webhooks
      .filter(({ tenant }) => tenant !== undefined && !Object.hasOwn(config.tenants, tenant))
      .map(({ tenant }) => `webhooks: there is no tenant ${tenant}`),
    ...faultsOfIssuers(config),
    ...config.webhooks.flatMap(({ id }, i, all) =>
      id !== undefined && all.findIndex((one) => one.id === id) < i ? [`webhooks.${i}.id: another one is called ${id}`] : [],
    ),
  ];
  for (const [tenant, { loops }] of Object.entries(config.tenants))
    for (const name of Object.keys((loops === undefined || loops === false ? undefined : loops.tools) ?? {}))
      if (!known.has(name)) wrong.push(`tenants.${tenant}.loops.tools: there is no tool ${name}`);
  wrong.push(...Object.keys(config.annotations).flatMap((name) => (known.has(name) ? [] : [`annotations: there is no tool ${name}`])));
  if (wrong.length > 0) throw new CorralError('CORRAL_CONFIG_INVALID', `${file} was refused: ${wrong.join('; ')}.`);
  const loader = new PolicyLoader(base, more.alarm);
  if (config.label_owner !== undefined) loader.named.add(config.label_owner);
  const tenants: Record<string, TenantOptions> = {};
  const said: Record<string, Json> = {};
  const beside: Record<string, Json> = {};
  for (const [tenant, own] of Object.entries(config.tenants)) {
    const { tools: names, policies = config.policies, loops } = own;
    const offered = names.includes('*') ? tools : tools.filter((tool) => names.includes(tool.name as never));
    const source = more.withoutPolicies === true ? undefined : await loader.load(policies, offered, tenant);
    const most = { ceilings: lower(config.ceilings, own.ceilings), budget: lower(config.budget, own.budget) };
    tenants[tenant] = {
      tools: offered,
      most,
      ...(source === undefined ? {} : { policies: source }),
      ...(loops === undefined ? {} : { loops }),
    };
    if (source !== undefined) said[tenant] = source.current.version;
    if (source?.shadow !== undefined) beside[tenant] = source.shadow.version;
  }
  const summary = JSON.parse(
    JSON.stringify({
      ...config,
      tools: tools.map((tool) => declared(tool)),
      ...(Object.keys(said).length === 0 ? {} : { policy_versions: said }),
      ...(Object.keys(beside).length === 0 ? {} : { shadow_versions: beside }),
    }),
  ) as Json;
  return {
    version: `sha256:${hash('sha256', `${text}\n${canonical(summary)}`)}`,
    file: file === undefined ? undefined : resolve(file),
    config,
    summary,
    tenants,
    named: loader.named,
    vault,
  };
}

async function read(file: string): Promise<{ readonly value: unknown; readonly text: string }> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch {
    throw new CorralError('CORRAL_CONFIG_INVALID', `There is no configuration file ${file} that can be read.`);
  }
  try {
    if (extname(file) === '.json') return { value: readJson(text), text };
    lend();
    // The query makes Node load it again after a change; what it imports is loaded once.
    const url = `${pathToFileURL(file).href}?${hash('sha256', text).slice(0, 16)}`;
    return { value: ((await import(url)) as { default?: unknown }).default, text };
  } catch (error) {
    throw new CorralError(
      'CORRAL_CONFIG_INVALID',
      `${file} could not be loaded: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    );
  }
}

/** What a configuration imports, it finds here where its own folder has no packages. */
const LENT: ReadonlySet<string> = new Set(['@corral/server/config', 'zod']);
let lent = false;

function lend(): void {
  if (lent) return;
  lent = true;
  registerHooks({
    resolve(specifier, context, next) {
      try {
        return next(specifier, context);
      } catch (error) {
        if (!LENT.has(specifier)) throw error;
        return next(specifier, { ...context, parentURL: import.meta.url });
      }
    },
  });
}

async function toolsOf(config: Config, base: string, vault: Vault, from: string): Promise<readonly Tool[]> {
  let own: readonly Tool[];
  try {
    own = typeof config.tools === 'function' ? await config.tools({ secret: vault.read }) : config.tools;
    const { read: reads, write: writes } = config.files;
    own = [
      ...(reads === undefined ? [] : await readingTools(resolve(base, reads))),
      ...(writes === undefined ? [] : await writingTools(resolve(base, writes))),
      ...(config.label_owner === undefined ? [] : labelTools(config.label_owner)),
      ...own,
    ];
  } catch (error) {
    throw new CorralError(
      'CORRAL_CONFIG_INVALID',
      `The tools of ${from} could not be made: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    );
  }
  const seen = new Set<string>();
  for (const tool of own) {
    const ok =
      typeof tool === 'object' &&
      tool !== null &&
      typeof tool.name === 'string' &&
      typeof tool.invoke === 'function' &&
      typeof tool.annotations === 'object';
    if (!ok) throw new CorralError('CORRAL_CONFIG_INVALID', `${from} lists something under tools that is no tool.`);
    if (seen.has(tool.name)) throw new CorralError('CORRAL_CONFIG_INVALID', `${from} offers two tools called ${tool.name}.`);
    seen.add(tool.name);
  }
  return own.map((tool) => vault.guard(noted(tool, config.annotations[tool.name as never])));
}

/** A tool with what the configuration says of it. */
function noted(tool: Tool, notes: Config['annotations'][keyof Config['annotations']] | undefined): Tool {
  if (notes === undefined) return tool;
  return {
    ...tool,
    annotations: { ...tool.annotations, ...notes },
    invoke: (call) => tool.invoke(call),
    ...(tool.close === undefined ? {} : { close: async () => tool.close?.() }),
  };
}

/** What a tool says of itself, as data. */
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

/** What is different between two configurations as data, leaf by leaf. */
export function differences(now: Json, next: Json, path = ''): Change[] {
  if (canonical(now) === canonical(next)) return [];
  const isObject = (value: Json): value is Record<string, Json> => typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isObject(now) || !isObject(next)) return [{ path, now, next }];
  return [...new Set([...Object.keys(now), ...Object.keys(next)])]
    .sort()
    .flatMap((key) => differences(now[key] ?? null, next[key] ?? null, path === '' ? key : `${path}.${key}`));
}

/** The lower of each amount, where either side says one. */
function lower<T extends Readonly<Record<string, number | undefined>>>(host: T, own: T = {} as T): T {
  const lowest = { ...host, ...own };
  for (const name of Object.keys(host) as (keyof T)[]) {
    const [a, b] = [host[name], own[name]];
    if (a !== undefined && b !== undefined && a < b) lowest[name] = a as T[keyof T];
  }
  return lowest;
}
