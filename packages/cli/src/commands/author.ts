/** Commands for developers of agents: `corral init`, `corral types`, `corral test`. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { CorralError } from '@corral/protocol/errors';
import type { Json } from '@corral/protocol/json';
import type { AgentManifest } from '@corral/protocol/model/manifest';
import { connect, hostFlags, type HostFlags } from '../connect.ts';
import { EXIT } from '../failure.ts';

export function authorCommands(program: Command): void {
  program
    .command('init')
    .description('make a folder with an agent, its test and a configuration')
    .argument('[folder]', 'a new folder', 'my-agent')
    .addHelpText('after', `\nExample:\n  corral init my-agent`)
    .action(async (folder: string) => {
      const made = await init(resolve(folder));
      // Prints the command as it was called: in a clone of the repository, npm runs it.
      const corral = process.env['npm_lifecycle_event'] === 'corral' ? 'npm run corral --' : 'corral';
      const [agent, config, test] = ['agent.ts', 'corral.config.ts', 'agent.test.ts'].map((file) => join(folder, file));
      process.stdout.write(
        `${made.join('\n')}\n\nNext:\n  ${corral} dev ${agent} --config ${config} --watch --input '{"name":"Ada"}'\n  ${corral} test ${test}\n`,
      );
    });

  hostFlags(program.command('types'))
    .description('write TypeScript types for the tools and services a host offers')
    .option('--out <file>', 'where to', 'corral-env.d.ts')
    .option('--config <file>', 'from this configuration, without a host')
    .option('--tenant <name>', 'for hosts with several tenants')
    .addHelpText('after', `\nExample:\n  corral types --config corral.config.ts`)
    .action(async (flags: HostFlags & { readonly out: string; readonly config?: string; readonly tenant?: string }) => {
      const tools = flags.config === undefined ? await ofHost(flags) : await ofFile(flags.config, flags.tenant);
      const services = flags.config === undefined ? await servicesOf(flags) : [];
      await writeFile(flags.out, typesOf(tools, services));
      const also = services.length === 0 ? '' : `, ${services.length} services`;
      process.stdout.write(`${flags.out}  ${tools.length} tools${also}\n`);
    });

  program
    .command('test')
    .description('run the tests of agents (node:test, with @corral/testing)')
    .argument('[files...]', 'test files; by default every *.test.ts below this folder')
    .option('-w, --watch', 'run them again at every save')
    .addHelpText('after', `\nExample:\n  corral test agent.test.ts`)
    .action(async (files: string[], flags: { readonly watch?: boolean }) => {
      const args = ['--test', ...(flags.watch === true ? ['--watch'] : []), ...(files.length === 0 ? ['**/*.test.ts'] : files)];
      const child = spawn(process.execPath, args, { stdio: 'inherit' });
      process.exitCode = await new Promise<number>((done) =>
        child.on('exit', (code, signal) => done(code === 0 ? EXIT.ok : signal === 'SIGINT' ? EXIT.interrupted : EXIT.outcome)),
      );
    });
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
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page = await client.listAgents({ query: { ...of, ...(cursor === undefined ? {} : { cursor }) } });
    for (const { agent, tenant, latest } of page.items) {
      const { history } = await client.showAgent({ params: { agent }, query: { tenant } });
      const on = history.find(({ version }) => version === latest)?.manifest.service?.on;
      if (on !== undefined) found.push({ tenant, service: agent, on });
    }
    cursor = page.next;
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

/** Declarations that give an agent's `uses` their types. */
function typesOf(tools: readonly ToolTypes[], services: readonly ServiceTypes[] = []): string {
  const rows = tools
    // The SDK declares these itself.
    .filter(({ tool }) => !['fs.read', 'fs.list', 'fs.write'].includes(tool))
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
  const also = handlers.length === 0 ? '' : `  interface Services {\n${handlers.join('\n')}\n  }\n`;
  return `// Written by \`corral types\`; write it again when the host's tools change.\nimport '@corral/guest';\n\ndeclare module '@corral/guest' {\n  interface Tools {\n${rows.join('\n')}\n  }\n${also}}\n`;
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

const FILES: Readonly<Record<string, (name: string) => string>> = {
  'agent.ts': (name) => `import { defineAgent } from '@corral/guest';
import * as z from 'zod/mini';

export default defineAgent({
  name: '${name}',
  purpose: 'Greet somebody by the weather.',
  input: z.object({ name: z.string() }),
  output: z.object({ greeting: z.string() }),
  uses: { weather: 'tool:weather.today' },
  async run({ input, caps, log }) {
    const { sky } = await caps.weather({ place: 'here' });
    log('the sky is', sky);
    return { greeting: \`Hello, \${input.name}! It is \${sky}.\` };
  },
});
`,
  'agent.test.ts': () => `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agentUnderTest } from '@corral/testing';

test('it greets by the weather', async () => {
  await using agent = await agentUnderTest(new URL('agent.ts', import.meta.url), { 'weather.today': () => ({ sky: 'clear' }) });
  const { output, calls } = await agent.run({ name: 'Ada' });
  assert.deepEqual(output, { greeting: 'Hello, Ada! It is clear.' });
  assert.deepEqual(calls.map(({ tool }) => tool), ['weather.today']);
});
`,
  'corral.config.ts': () => `import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';

export default defineConfig({
  tenants: { local: {} },
  tools: [
    tool({
      name: 'weather.today',
      description: 'Looks out of the window.',
      input: z.object({ place: z.string() }),
      output: z.object({ sky: z.string() }),
      annotations: { readOnly: true, openWorld: false, destructive: false, idempotent: true, returns: 'trusted' },
      run: () => ({ sky: 'clear' }),
    }),
  ],
});
`,
  'corral-env.d.ts': () =>
    typesOf([
      {
        tool: 'weather.today',
        description: 'Looks out of the window.',
        input: { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] },
        output: { type: 'object', properties: { sky: { type: 'string' } }, required: ['sky'] },
      },
    ]),
  'package.json': (name) => `${JSON.stringify({ name, private: true, type: 'module' }, null, 2)}\n`,
  'tsconfig.json': () =>
    `${JSON.stringify(
      {
        compilerOptions: {
          target: 'es2024',
          module: 'nodenext',
          lib: ['es2025', 'esnext.disposable'],
          types: ['node'],
          strict: true,
          noEmit: true,
          skipLibCheck: true,
          allowImportingTsExtensions: true,
          erasableSyntaxOnly: true,
          verbatimModuleSyntax: true,
        },
        include: ['*.ts'],
      },
      null,
      2,
    )}\n`,
  '.gitignore': () => 'node_modules/\n.corral/\n',
};

/** Packages that are linked into a new folder which has none of its own. */
const LENT = ['@corral/guest', '@corral/testing', '@corral/server', 'zod', '@types/node'];

/** @returns the files that were written @throws CORRAL_USAGE if the folder is not empty */
async function init(folder: string): Promise<string[]> {
  if (existsSync(folder) && (await readdir(folder)).length > 0) throw new CorralError('CORRAL_USAGE', `${folder} exists and is not empty.`);
  await mkdir(folder, { recursive: true });
  const name = basename(folder)
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]/g, '-')
    .replace(/^[^a-z0-9]+/, '');
  const files: string[] = [];
  for (const [file, text] of Object.entries(FILES)) {
    await writeFile(join(folder, file), text(name === '' ? 'agent' : name), { flag: 'wx' });
    files.push(join(folder, file));
  }
  const here = createRequire(join(folder, 'package.json'));
  for (const dependency of LENT) {
    if (here.resolve.paths(dependency)?.some((path) => existsSync(join(path, dependency))) === true) continue;
    const ours = packageFolder(dependency);
    if (ours === undefined) continue;
    const link = join(folder, 'node_modules', dependency);
    await mkdir(dirname(link), { recursive: true });
    await symlink(ours, link, process.platform === 'win32' ? 'junction' : 'dir');
  }
  return files;
}

/** The folder of a package that came with Corral. */
function packageFolder(name: string): string | undefined {
  const paths = createRequire(fileURLToPath(import.meta.url)).resolve.paths(name) ?? [];
  return paths.map((path) => join(path, name)).find((path) => existsSync(path));
}
