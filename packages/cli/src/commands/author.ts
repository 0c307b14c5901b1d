/** Commands for developers of agents: `corral init`, `corral types`, `corral test`. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { glob, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { init, InitRefused, nextSteps } from 'create-corral/init';
import { itemsOf } from '@corral/protocol/api/client';
import { CorralError } from '@corral/protocol/errors';
import { isHttp, modelIn } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { AgentManifest } from '@corral/protocol/model/manifest';
import { ASK_OWNER } from '@corral/protocol/model/question';
import { connect, hostFlags, print, type HostFlags } from '../connect.ts';
import { EXIT } from '../failure.ts';
import { VERSION } from '../version.ts';
import { testFromCommand } from './test-from.ts';

export function authorCommands(program: Command): void {
  program
    .command('init')
    .description('write an agent, its test, a configuration and a first policy into a new folder or an existing repository')
    .argument('[folder]', 'a new folder, or one with a package.json (by default this one if it has a package.json, else my-agent)')
    .option('--packages <folder>', 'take Corral’s packages from tarballs in this folder instead of the registry')
    .addHelpText('after', `\nExample:\n  corral init my-agent`)
    .action(async (folder: string | undefined, flags: { readonly packages?: string }) => {
      process.stdout.write(await initialise(folder ?? (existsSync('package.json') ? '.' : 'my-agent'), flags.packages));
    });

  hostFlags(program.command('types'))
    .description('write TypeScript types for the tools and services a host offers')
    .option('--out <file>', 'where to (by default agents/corral-env.d.ts if it is there, else corral-env.d.ts, beside the configuration)')
    .option('--config <file>', 'from this configuration, without a host')
    .option('--tenant <name>', 'for hosts with several tenants')
    .addHelpText('after', `\nExample:\n  corral types --config corral.config.ts`)
    .action(async (flags: HostFlags & { readonly out?: string; readonly config?: string; readonly tenant?: string }) => {
      const offered = flags.config === undefined ? await ofHost(flags) : await ofFile(flags.config, flags.tenant);
      // Every host offers it, and the SDK declares it.
      const tools = offered.filter(({ tool }) => tool !== ASK_OWNER);
      const services = flags.config === undefined ? await servicesOf(flags) : [];
      const out = flags.out ?? typesFile(flags.config);
      await writeFile(out, typesOf(tools, services));
      const written = { file: out, tools: tools.map(({ tool }) => tool), services: services.map(({ service }) => service) };
      const counted = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
      const also = services.length === 0 ? '' : `, ${counted(services.length, 'service')}`;
      print(flags, written, () => `${out}  ${counted(tools.length, 'tool')}${also}`);
    });

  const test = program
    .command('test')
    .description('run the tests of agents (node:test, with @corral/testing)')
    .argument(
      '[files...]',
      'test files; by default agents/tests/*.ts, or where there is no such folder every *.test.ts and run_*.ts below this one that imports node:test',
    )
    .option('-w, --watch', 'run them again at every save')
    .addHelpText('after', `\nExample:\n  corral test agent.test.ts`)
    .action(async (files: string[], flags: { readonly watch?: boolean }) => {
      await mustExist(files);
      const imports = new URL('../test-imports.ts', import.meta.url).href;
      const args = [
        '--test',
        '--import',
        imports,
        ...(flags.watch === true ? ['--watch'] : []),
        ...(files.length === 0 ? await testsHere() : files),
      ];
      const child = spawn(process.execPath, args, { stdio: 'inherit', env: { ...process.env, NODE_COMPILE_CACHE: compileCache() } });
      process.exitCode = await new Promise<number>((done) =>
        child.on('exit', (code, signal) => done(code === 0 ? EXIT.ok : signal === 'SIGINT' ? EXIT.interrupted : EXIT.outcome)),
      );
    });
  testFromCommand(test);
}

/** @throws CORRAL_USAGE: node:test would call a name without a file a test that failed */
async function mustExist(files: readonly string[]): Promise<void> {
  for (const file of files) {
    if (existsSync(file)) continue;
    if (!(await glob(file)[Symbol.asyncIterator]().next()).done) continue;
    throw new CorralError('CORRAL_USAGE', `There is no file ${file}`);
  }
}

/**
 * Only files that import its runner: a repository may have tests of its own, for another one.
 * @throws CORRAL_USAGE if there is none
 */
async function testsHere(): Promise<readonly string[]> {
  if (existsSync('agents/tests')) return ['agents/tests/*.ts'];
  const found: string[] = [];
  for await (const file of glob(['**/*.test.ts', '**/run_*.ts'], { exclude: ['**/node_modules', '**/.*'] }))
    if (IMPORTS_RUNNER.test(await readFile(file, 'utf8'))) found.push(file);
  if (found.length > 0) return found.toSorted();
  throw new CorralError(
    'CORRAL_USAGE',
    'There are no tests of agents here: no folder agents/tests, and no *.test.ts or run_*.ts below this folder that imports node:test. Name the files, or go to the folder of the agent.',
  );
}

/**
 * Each file of tests is a process that loads a host. The folder is the user's own, because what it holds is run. The package's
 * `bin/corral.mjs` has set it already.
 */
const compileCache = (): string =>
  process.env['NODE_COMPILE_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'corral');

/** At the beginning of a line: a test may write others, as texts. */
const IMPORTS_RUNNER = /^(?:import|const|let|var)\b[^;'"]*(?:\bfrom\s*|require\(\s*)['"]node:test['"]/m;

/** Beside the configuration, where `corral init` puts it. */
function typesFile(config: string | undefined): string {
  const folder = config === undefined ? '' : dirname(config);
  const ofInit = join(folder, 'agents', 'corral-env.d.ts');
  return existsSync(ofInit) ? ofInit : join(folder, 'corral-env.d.ts');
}

interface ToolTypes {
  readonly tool: string;
  readonly description: string;
  readonly input: Readonly<Record<string, Json>>;
  readonly output: Readonly<Record<string, Json>>;
}

async function ofHost(flags: HostFlags & { readonly tenant?: string }): Promise<readonly ToolTypes[]> {
  const { items } = await connect(flags).listTools({ query: flags.tenant === undefined ? {} : { tenant: flags.tenant } });
  return items;
}

interface ServiceTypes {
  readonly service: string;
  readonly on: NonNullable<AgentManifest['service']>['on'];
}

/** Services are deployed, so only a host knows them: those of the latest version of each agent. */
async function servicesOf(flags: HostFlags & { readonly tenant?: string }): Promise<readonly ServiceTypes[]> {
  const client = connect(flags);
  const of = flags.tenant === undefined ? {} : { tenant: flags.tenant };
  const found: (ServiceTypes & { readonly tenant: string })[] = [];
  for await (const { agent, tenant, latest } of itemsOf((at) => client.listAgents({ query: { ...of, ...at } }))) {
    const { history } = await client.showAgent({ params: { agent }, query: { tenant } });
    const on = history.find(({ version }) => version === latest)?.manifest.service?.on;
    if (on !== undefined) found.push({ tenant, service: agent, on });
  }
  // The same default as for tools if several tenants exist and none is named.
  const tenants = new Set(found.map(({ tenant }) => tenant));
  return tenants.size < 2 ? found : found.filter(({ tenant }) => tenant === 'local');
}

async function ofFile(file: string, tenant: string | undefined): Promise<readonly ToolTypes[]> {
  const { loadConfig, declared } = await import('@corral/server/config/load');
  const { tenants } = await loadConfig(file, process.env);
  const name = tenant ?? Object.keys(tenants)[0] ?? '';
  const found = tenants[name];
  if (found === undefined) throw new CorralError('CORRAL_TENANT_UNKNOWN', `${file} names no tenant ${name}.`);
  return found.tools.map((tool) => declared(tool));
}

/** The tools that the SDK declares itself; a second declaration would not compile. */
const OF_SDK: ReadonlySet<string> = new Set(['fs.read', 'fs.list', 'fs.write', 'label.endorse', 'label.declassify']);

/** Declarations that give an agent's `uses` their types. */
function typesOf(tools: readonly ToolTypes[], services: readonly ServiceTypes[] = []): string {
  const models = tools.flatMap(({ tool }) => modelIn(tool) ?? []);
  const rows = tools
    // The SDK declares these itself, and what all models and all `http:NAME` take and answer.
    .filter(({ tool }) => !OF_SDK.has(tool) && modelIn(tool) === undefined && !isHttp(tool))
    .map(
      ({ tool, description, input, output }) =>
        `    /** ${description.replaceAll('*/', '* /')} */\n    ${JSON.stringify(tool)}: { input: ${typeOf(input)}; output: ${typeOf(output)} };`,
    );
  const handlers = services.map(({ service, on }) => {
    const each = Object.entries(on).map(
      ([name, { message, reply }]) => `${JSON.stringify(name)}: { message: ${typeOf(message ?? {})}; reply: ${typeOf(reply ?? {})} }`,
    );
    return `    ${JSON.stringify(service)}: { ${each.join('; ')} };`;
  });
  const named = models.map((name) => `    ${JSON.stringify(name)}: true;`);
  const also = [
    ...(handlers.length === 0 ? [] : [`  interface Services {\n${handlers.join('\n')}\n  }\n`]),
    ...(named.length === 0 ? [] : [`  interface Models {\n${named.join('\n')}\n  }\n`]),
  ].join('');
  return `// Written by \`corral types\`; write it again when the host's tools change.\nimport '@corral/guest';\n\ndeclare module '@corral/guest' {\n  interface Declared {\n    readonly tools: true;\n  }\n  interface Tools {\n${rows.join('\n')}\n  }\n${also}}\n`;
}

/** Converts a JSON Schema to a type, as far as tools use it; a schema that no type expresses becomes `unknown`. */
function typeOf(schema: Json, depth = 0): string {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema) || depth > 20) return 'unknown';
  const {
    type,
    properties,
    required,
    items,
    anyOf,
    oneOf,
    additionalProperties,
    enum: values,
    const: one,
  } = schema as Record<string, Json>;
  if (one !== undefined) return JSON.stringify(one);
  if (Array.isArray(values)) return values.map((value) => JSON.stringify(value)).join(' | ') || 'never';
  const either = (anyOf ?? oneOf) as readonly Json[] | undefined;
  if (Array.isArray(either)) return either.map((each) => typeOf(each, depth + 1)).join(' | ');
  if (Array.isArray(type)) return type.map((each) => typeOf({ ...(schema as Record<string, Json>), type: each }, depth + 1)).join(' | ');
  switch (type) {
    case 'string':
    case 'boolean':
    case 'null':
      return type;
    case 'number':
    case 'integer':
      return 'number';
    case 'array':
      return `(${typeOf(items ?? {}, depth + 1)})[]`;
    case 'object': {
      const needed = new Set((required ?? []) as readonly string[]);
      const members = Object.entries((properties ?? {}) as Record<string, Json>).map(
        ([name, each]) => `${JSON.stringify(name)}${needed.has(name) ? '' : '?'}: ${typeOf(each, depth + 1)}`,
      );
      if (members.length === 0) return `Record<string, ${typeOf(additionalProperties ?? {}, depth + 1)}>`;
      return `{ ${members.join('; ')} }`;
    }
    default:
      return 'unknown';
  }
}

/** Packages that are linked into a new folder which has none of its own. */
const LENT = ['corral', '@corral/guest', '@corral/testing', 'zod', '@types/node', 'typescript'];

/** Whether this is Corral's repository, whose packages are nowhere but here. */
const CLONE = import.meta.url.endsWith('.ts');

/** @returns the files that were written, and what to do next. @throws CORRAL_USAGE if something is in the way */
async function initialise(named: string, tarballs: string | undefined): Promise<string> {
  const folder = resolve(named);
  const linked = CLONE && tarballs === undefined;
  try {
    const made = await init({
      folder,
      version: VERSION,
      node: process.version,
      tarballs: tarballs === undefined ? undefined : resolve(tarballs),
      dependencies: !linked,
    });
    if (linked) await lend(folder);
    return `${made.files.map((file) => join(named, file)).join('\n')}\n\n${linked ? fromClone(named) : nextSteps(made, folder)}\n`;
  } catch (error) {
    throw error instanceof InitRefused ? new CorralError('CORRAL_USAGE', error.message, { cause: error }) : error;
  }
}

/** In a clone of the repository, npm runs the command, and the packages are linked: `npm install` in the folder would remove the links. */
function fromClone(named: string): string {
  const corral = process.env['npm_lifecycle_event'] === 'corral' ? 'npm run corral --' : 'corral';
  const at = (file: string) => join(named, file);
  return `Next:
  ${corral} test ${at('agents/tests/buyer.ts')}
  ${corral} dev ${at('agents/buyer.ts')} --config ${at('corral.config.ts')} --watch --input @${at('agents/order.json')}`;
}

async function lend(folder: string): Promise<void> {
  const here = createRequire(join(folder, 'package.json'));
  for (const dependency of LENT) {
    if (here.resolve.paths(dependency)?.some((path) => existsSync(join(path, dependency))) === true) continue;
    const ours = packageFolder(dependency);
    if (ours === undefined) continue;
    const link = join(folder, 'node_modules', dependency);
    await mkdir(dirname(link), { recursive: true });
    await symlink(ours, link, process.platform === 'win32' ? 'junction' : 'dir');
  }
}

/** The folder of a package that came with Corral. */
function packageFolder(name: string): string | undefined {
  const paths = createRequire(import.meta.url).resolve.paths(name) ?? [];
  return paths.map((path) => join(path, name)).find((path) => existsSync(path));
}
