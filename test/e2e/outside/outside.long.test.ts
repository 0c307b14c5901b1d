/**
 * Corral as others install it: the packages are made, served by a registry, and used from folders that know nothing of this repository,
 * with install scripts off and no compiler. The commands are those of the quick start.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { runsOn } from 'create-corral/init';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { found } from '../../until.ts';
import { Elsewhere } from './elsewhere.ts';
import { filesOf, serveRegistry, type Registry } from './registry.ts';

const PACK = fileURLToPath(new URL('../../../scripts/pack.ts', import.meta.url));
const RELEASE = fileURLToPath(new URL('../../../scripts/release.ts', import.meta.url));
const CHANGELOG = fileURLToPath(new URL('../../../CHANGELOG.md', import.meta.url));
const NAMES = new Set(['corral', '@corral/client', '@corral/guest', '@corral/node', '@corral/testing', 'create-corral']);

let packs: string;
let registry: Registry;
let version: string;

beforeAll(async () => {
  packs = await mkdtemp(join(tmpdir(), 'crl-packs-'));
  const { stdout } = await promisify(execFile)(process.execPath, [PACK, '--out', packs, '--json']);
  ({ version } = JSON.parse(stdout) as { version: string });
  const { stdout: upstream } = await promisify(execFile)('npm', ['config', 'get', 'registry'], { cwd: packs });
  registry = await serveRegistry(join(packs, 'tarballs'), upstream.trim());
}, 300_000);

afterAll(async () => {
  registry?.close();
  await rm(packs, { recursive: true, force: true });
});

function killed(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** A host in the folder, until it is stopped as by Ctrl-C. */
async function up(at: Elsewhere) {
  const { child, said } = at.start(join(at.folder, 'node_modules/.bin/corral'), ['up', '--port', '0', '--json']);
  const line = await Promise.race([
    new Promise<string>((resolve) => child.stdout?.once('data', (text: Buffer) => resolve(text.toString()))),
    said.then(({ err }) => Promise.reject(new Error(`corral up ended:\n${err}`))),
  ]);
  const told = JSON.parse(line) as { readonly url: string; readonly wall: string | null; readonly pid: number };
  // On a Node that is too old the host is a child of the command, and outlives it if the test has failed.
  let over = false;
  void said.then(() => (over = true));
  onTestFinished(() => (over ? undefined : killed(told.pid)));
  return {
    ...told,
    stop: () => {
      child.kill('SIGINT');
      return said;
    },
  };
}

/** Deploys the agent that init wrote and has it order something that waits for a person; another person approves. */
async function orderSofa(at: Elsewhere): Promise<void> {
  await at.corral('deploy', 'agents/buyer.ts', '--alias', 'prod');
  const { run } = await at.json<{ run: string }>('submit', 'buyer@prod', '--input', '{"item":"sofa","pieces":1}');
  const waiting = await found(async () => (await at.json<{ run: string; call: number; tool: string }[]>('approvals'))[0], 'an approval');
  expect(waiting).toMatchObject({ run, tool: 'shop.order' });
  // The person who asked for the run may not decide about its calls.
  const own = await at.run(join(at.folder, 'node_modules/.bin/corral'), 'approve', run, String(waiting.call), '-m', 'mine');
  expect(own).toMatchObject({ code: 2, err: expect.stringContaining('CORRAL_APPROVER') as string });
  const secret = (await at.corral('token', 'create', 'owner', '--role', 'approver', '--person', 'token:owner')).trim();
  await at.corral('approve', run, String(waiting.call), '-m', 'there is nowhere to sit', '--token', secret);
  const shown = () => at.json<{ outcome: { kind: string; output?: unknown } | null }>('show', run);
  const ended = await found(async () => (await shown()).outcome ?? undefined, 'the end of the run');
  expect(ended).toMatchObject({ kind: 'completed', output: { order: `order ${run}:${waiting.call}`, amount: 600 } });
  const why = await at.corral('why', run);
  expect(why).toContain('large-orders');
  expect(why).toContain('approved    by token:owner');
}

/** The compiler, and so an editor, refuses globals that no isolate has. */
async function knowsIsolate(at: Elsewhere): Promise<void> {
  await writeFile(
    join(at.folder, 'agents/wrong.ts'),
    `export const pid = process.pid;\nexport const page = fetch('https://example.com');\n`,
  );
  const { code, out } = await at.run(join(at.folder, 'node_modules/.bin/tsc'), '-p', 'agents');
  await rm(join(at.folder, 'agents/wrong.ts'));
  expect(code).not.toBe(0);
  expect(out).toMatch(/wrong\.ts.*'process'/);
  expect(out).toMatch(/wrong\.ts.*'fetch'/);
}

describe('the tarballs', () => {
  test('have a licence, a readme and compiled code of one version, and neither sources nor tests', async () => {
    const tarballs = await readdir(join(packs, 'tarballs'));
    expect(tarballs).toHaveLength(NAMES.size);
    for (const file of tarballs) {
      const files = filesOf(await readFile(join(packs, 'tarballs', file)));
      const names = [...files.keys()].map((name) => name.replace('package/', ''));
      expect(names).toEqual(expect.arrayContaining(['package.json', 'LICENSE', 'README.md']));
      // It is for those who install the package.
      const readme = String(files.get('package/README.md'));
      expect(readme).not.toMatch(/In this repository|Reading order|\bsrc\//u);
      const linked = [...readme.matchAll(/\]\((docs\/[^)]+\.md)\)/gu)].map(([, page = '']) => page);
      const shipped = names.includes('bin/corral.mjs')
        ? ['docs/reference/authors.md', 'docs/reference/config.md', 'docs/guides/service.md']
        : [];
      expect(names).toEqual(expect.arrayContaining([...linked, ...shipped]));
      expect(names.filter((name) => /\.test\.|fixtures|tsconfig|turbo\.json/.test(name))).toEqual([]);
      // A host or a demo that was run among the examples leaves such files.
      expect(names.filter((name) => /(?:^|\/)(?:\.|corral-report)|\.log$|keys\.json/.test(name))).toEqual([]);
      // The demo bundles its agents as it would a user's.
      expect(names.filter((name) => /(?<!\.d)\.ts$/.test(name) && !name.startsWith('examples/'))).toEqual([]);
      const manifest = JSON.parse(files.get('package/package.json')?.toString() ?? '') as Record<string, unknown>;
      expect(manifest).toMatchObject({ version, license: 'Apache-2.0', publishConfig: { provenance: true } });
      expect(manifest).not.toHaveProperty('private');
      expect(manifest).not.toHaveProperty('scripts');
      const unpublished = Object.keys(manifest['dependencies'] ?? {}).filter((name) => name.startsWith('@corral/') && !NAMES.has(name));
      expect(unpublished).toEqual([]);
    }
  });
});

describe('a release', () => {
  const release = async (changelog: string) => {
    const file = join(packs, 'changelog.md');
    await writeFile(file, changelog);
    const args = [RELEASE, '--dry-run', '--json', '--packed', packs, '--changelog', file];
    const { stdout, code } = await promisify(execFile)(process.execPath, args).then(
      (said) => ({ ...said, code: 0 }),
      (error: { stdout: string; code: number }) => error,
    );
    return {
      code,
      plan: JSON.parse(stdout) as { packages: { name: string; files: string[] }[]; refused: string[]; changelog: string | null },
    };
  };

  test('of a version with an entry in the changelog says what would be published', async () => {
    const { code, plan } = await release(`# Changelog\n\n## Unreleased\n\n## ${version} - 2026-11-29\n\n- It can be installed.\n`);
    expect(code).toBe(0);
    expect(plan).toMatchObject({ version, changelog: '- It can be installed.', refused: [] });
    expect(new Set(plan.packages.map(({ name }) => name))).toEqual(NAMES);
    for (const one of plan.packages) expect(one).toMatchObject({ version, access: 'public', provenance: true });
    expect(plan.packages.find(({ name }) => name === 'corral')?.files).toEqual(
      expect.arrayContaining(['bin/corral.mjs', 'dist/image-base.json']),
    );
  });

  test('of this version has an entry in the changelog of this repository', async () => {
    const { code, plan } = await release(await readFile(CHANGELOG, 'utf8'));
    expect(plan.refused).toEqual([]);
    expect(code).toBe(0);
    expect(plan.changelog).toContain('### Added');
  });

  test.each(['## Unreleased\n\n- It can be installed.\n', '## 9.9.9\n\n- Another one.\n', '## VERSION\n\n## 0.0.1\n\n- The first.\n'])(
    'of a version without an entry is refused: %j',
    async (changelog) => {
      const { code, plan } = await release(changelog.replace('VERSION', version));
      expect(code).toBe(1);
      expect(plan.refused).toEqual([expect.stringContaining(`no entry "## ${version}"`)]);
    },
  );
});

test('npm create corral in an empty folder: installed, checked, tested, hosted, approved', { timeout: 600_000 }, async () => {
  const empty = await Elsewhere.make(registry.url);
  // A program of that name in the machine's own cache would be run instead of this one.
  const cache = (await empty.ok('npm', 'config', 'get', 'cache')).trim();
  expect(await readdir(cache)).not.toContain('_npx');
  await empty.ok('npm', 'create', 'corral', 'my-agent');
  expect(await readdir(cache)).toContain('_npx');
  const at = empty.within('my-agent');
  await at.ok('npm', 'install');
  expect((await at.corral('--version')).trim()).toBe(version);
  const types = await readFile(join(at.folder, 'agents/corral-env.d.ts'), 'utf8');
  await at.ok('npm', 'run', 'types');
  expect(await readFile(join(at.folder, 'agents/corral-env.d.ts'), 'utf8')).toBe(types);
  await at.ok('npm', 'run', 'check');
  expect(await at.ok('npx', 'tsc', '--version')).toMatch(/Version 7\./);
  await knowsIsolate(at);
  expect(await at.ok('npm', 'test')).toMatch(/pass 2/);

  const host = await up(at);
  await orderSofa(at);
  expect(await host.stop()).toMatchObject({ code: 0 });

  // A package of others, used by the agent.
  await at.ok('npm', 'install', 'lodash-es');
  await at.ok('npm', 'install', '--save-dev', '@types/lodash-es', 'typescript@~5.9.0');
  const agent = await readFile(join(at.folder, 'agents/buyer.ts'), 'utf8');
  const using = agent.replace('each * input.pieces', 'sum([each * input.pieces])').replace(/^/, `import { sum } from 'lodash-es';\n`);
  await writeFile(join(at.folder, 'agents/buyer.ts'), using);
  expect(await at.ok('npx', 'tsc', '--version')).toMatch(/Version 5\.9/);
  await at.ok('npm', 'run', 'check');
  await knowsIsolate(at);
  expect(await at.ok('npm', 'test')).toMatch(/pass 2/);
  expect([...registry.asked]).toEqual(expect.arrayContaining(['create-corral', 'corral', '@corral/guest', '@corral/testing']));
});

const THEIRS: Readonly<Record<string, string>> = {
  'package.json': `${JSON.stringify(
    {
      name: 'theirs',
      version: '4.5.6',
      type: 'module',
      scripts: { test: 'node -e 0', build: 'tsc -p . && rollup -c' },
      devDependencies: { rollup: '^4.0.0', '@rollup/plugin-node-resolve': '^16.0.0', typescript: '~5.9.0' },
    },
    null,
    '\t',
  )}\n`,
  'tsconfig.json': JSON.stringify({
    compilerOptions: {
      target: 'es2022',
      module: 'esnext',
      moduleResolution: 'bundler',
      lib: ['es2022', 'dom'],
      strict: true,
      types: [],
      outDir: 'dist',
    },
    include: ['src'],
  }),
  'rollup.config.js': `import { nodeResolve } from '@rollup/plugin-node-resolve';\nexport default { input: 'dist/page.js', output: { file: 'dist/bundle.js' }, plugins: [nodeResolve({ browser: true })] };\n`,
  'src/page.ts': `export const title = 'theirs';\n`,
};

test(
  'an existing repository with its own tsconfig and bundler: nothing of it changes, and its page talks to the host',
  { timeout: 600_000 },
  async () => {
    const at = await Elsewhere.make(registry.url);
    for (const [file, text] of Object.entries(THEIRS)) {
      await mkdir(join(at.folder, file, '..'), { recursive: true });
      await writeFile(join(at.folder, file), text);
    }
    await at.ok('npm', 'install');
    await at.ok('npm', 'run', 'build');
    const built = await readFile(join(at.folder, 'dist/bundle.js'), 'utf8');
    const node = (await at.ok('node', '--version')).trim();
    await at.ok('npm', 'install', 'corral', ...(runsOn(node) ? [] : ['@corral/node']));
    await at.corral('init');
    const { 'package.json': before = '', ...untouched } = THEIRS;
    for (const [file, text] of Object.entries(untouched)) expect(await readFile(join(at.folder, file), 'utf8')).toBe(text);
    const manifest = JSON.parse(await readFile(join(at.folder, 'package.json'), 'utf8')) as { scripts: object };
    const own = JSON.parse(before) as { scripts: object; devDependencies: object };
    expect(manifest).toMatchObject(own);
    expect(Object.keys(manifest.scripts)).toEqual([...Object.keys(own.scripts), 'dev', 'corral:test', 'types', 'check']);
    expect((await at.run(join(at.folder, 'node_modules/.bin/corral'), 'init')).code).toBe(2);

    await at.ok('npm', 'install');
    await at.ok('npm', 'install', '@corral/client');
    await at.ok('npm', 'run', 'check');
    await at.ok('npm', 'run', 'types');
    expect(await at.ok('npm', 'run', 'corral:test')).toMatch(/pass 2/);
    await at.ok('npm', 'run', 'build');
    expect(await readFile(join(at.folder, 'dist/bundle.js'), 'utf8')).toBe(built);

    const host = await up(at);
    await orderSofa(at);
    const page = `import { connect } from '@corral/client';
export async function ended(url: string, token: string): Promise<string[]> {
  const { items } = await connect({ url, token }).listRuns({ query: { lifecycle: 'ended' } });
  return items.map((run) => \`\${run.agent} \${run.ended_as}\`);
}
`;
    await writeFile(join(at.folder, 'src/page.ts'), page);
    await at.ok('npm', 'run', 'build');
    const secret = (await at.corral('token', 'create', 'page', '--role', 'auditor')).trim();
    const script = `import('./dist/bundle.js').then(({ ended }) => ended(${JSON.stringify(host.url)}, ${JSON.stringify(secret)})).then(console.log)`;
    expect(await at.ok('node', '-e', script)).toContain('buyer completed');
    expect(await host.stop()).toMatchObject({ code: 0 });
  },
);

test('a repository with @types/node 20 checks the types of all packages, declarations included', { timeout: 300_000 }, async () => {
  const at = await Elsewhere.make(registry.url);
  const packages = ['corral', '@corral/guest', '@corral/testing', '@corral/client', 'zod', '@types/node@20', 'typescript@~5.9.0'];
  await at.ok('npm', 'init', '-y');
  await at.ok('npm', 'install', ...packages);
  const entries = ['corral/config', '@corral/guest', '@corral/testing', '@corral/client', '@corral/client/node'];
  await writeFile(join(at.folder, 'all.mts'), entries.map((name, i) => `export * as each${i} from '${name}';\n`).join(''));
  const strict = ['--module', 'nodenext', '--target', 'es2022', '--types', 'node', '--strict', '--skipLibCheck', 'false', '--noEmit'];
  expect(await at.ok('npx', 'tsc', ...strict, 'all.mts')).toBe('');
});

test('a Node that is too old is told so in one sentence, with what to do', { timeout: 300_000 }, async () => {
  const at = await Elsewhere.make();
  await cp(join(packs, 'packages/corral/bin'), join(at.folder, 'bin'), { recursive: true });
  await writeFile(join(at.folder, 'old.cjs'), `Object.defineProperty(process.versions, 'node', { value: '22.11.0' });`);
  const { code, err } = await at.run('node', '--require', './old.cjs', 'bin/corral.mjs', 'ps');
  expect(code).toBe(3);
  expect(err).toBe(
    'Corral runs on Node 24.12 or later of that line, or on 26; this is Node 22.11.0. Install one of these, or add @corral/node to this folder (npm install @corral/node), which brings Node 26.\n',
  );
});
