/**
 * The guides do what they say: each is followed in a folder of its own, with its files as printed and its commands as typed. A block of
 * code whose first line names a file is that file; blocks of `sh` are one session, but for `corral up`, which has a terminal of its own;
 * each line of a block of `text` is printed by then, in this order, and an … stands for anything.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '@corral/server/config/load';
import { filesOf } from 'create-corral/templates';
import { expect, onTestFinished, test } from 'vitest';
import { CORRAL_MAIN } from '../command.ts';
import { linkPackages } from '../project.ts';
import { until } from '../until.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const GUIDES = join(ROOT, 'docs', 'guides');
/** The options under which `corral init` has agents checked. */
const AGENTS_TSCONFIG = 'agents/tsconfig.json';
const INIT_FILES = filesOf({ config: 'corral.config.ts' });

interface Guide {
  /** Contents by path. */
  readonly files: Readonly<Record<string, string>>;
  /** Typed commands, and the lines that are printed for them. */
  readonly steps: readonly { readonly typed: string; readonly printed: readonly string[] }[];
}

function guideOf(text: string): Guide {
  const files: Record<string, string> = {};
  const steps: { typed: string; printed: string[] }[] = [];
  for (const [, language = '', body = ''] of text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)) {
    const [, file] = /^\/\/ ([\w./-]+)\n/.exec(body) ?? [];
    if (language === 'sh') steps.push({ typed: body, printed: [] });
    else if (language === 'text') steps.at(-1)?.printed.push(...body.trimEnd().split('\n'));
    else if (file === undefined) throw new Error(`A block of ${language} names no file: ${body.slice(0, 60)}`);
    else files[file] = body;
  }
  return { files, steps };
}

async function folderOf({ files }: Guide): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'crl-g-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  await linkPackages(folder);
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await mkdir(join(folder, 'bin'));
  await writeFile(join(folder, 'bin', 'corral'), `#!/bin/sh\nexec '${process.execPath}' '${CORRAL_MAIN}' "$@"\n`, { mode: 0o755 });
  return folder;
}

/** A shell in the folder, with `corral` in its path. */
function shell(folder: string, script: string) {
  const env: NodeJS.ProcessEnv = { ...process.env, PATH: `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}`, NO_COLOR: '1' };
  for (const name of ['NODE_OPTIONS', 'NODE_TEST_CONTEXT', 'FORCE_COLOR', 'CORRAL_DATA', 'CORRAL_URL', 'CORRAL_TOKEN']) delete env[name];
  const child = spawn('bash', ['-c', script], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const stop = () => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, 'SIGTERM');
  };
  onTestFinished(stop);
  return { closed: new Promise<number | null>((resolve) => child.on('close', resolve)), stop, out: () => out, err: () => err };
}

const MARK = '-- end of a block --';

/** Follows a guide. @returns what each of its blocks printed */
async function followed(guide: Guide, folder: string): Promise<string[]> {
  const inBackground = guide.steps.filter(({ typed }) => typed.startsWith('corral up'));
  const others = guide.steps.filter((step) => !inBackground.includes(step));
  const hosts = inBackground.map(({ typed }) => shell(folder, `exec ${typed}`));
  for (const host of hosts)
    await until(() => host.out().includes('Corral is up') || host.err().includes('CORRAL_'), 'the host of the guide is up');
  // The last command of the session that fails, fails the guide; those that are meant to have an `||`.
  const session = shell(folder, ['set -e', ...others.map(({ typed }) => `${typed}echo '${MARK}'`)].join('\n'));
  const code = await session.closed;
  for (const host of hosts) host.stop();
  await Promise.all(hosts.map(({ closed }) => closed));
  expect(code, `${session.out()}\n${session.err()}`).toBe(0);
  return session.out().split(MARK);
}

const guides = (await readdir(GUIDES)).filter((name) => name.endsWith('.md'));

test.each(guides)('%s does what it says, as typed', async (name) => {
  const guide = guideOf(await readFile(join(GUIDES, name), 'utf8'));
  expect(Object.keys(guide.files).length).toBeGreaterThan(0);
  expect(guide.steps.some(({ printed }) => printed.length > 0)).toBe(true);
  const folder = await folderOf(guide);
  const blocks = await followed(guide, folder);
  const others = guide.steps.filter(({ typed }) => !typed.startsWith('corral up'));
  for (const [i, { printed }] of others.entries()) {
    let rest = blocks[i] ?? '';
    for (const line of printed) {
      const pattern = new RegExp(
        line
          .trim()
          .split('…')
          .map((part) => RegExp.escape(part))
          .join('.*'),
      );
      const found = pattern.exec(rest);
      expect(found, `“${line}” is printed by: ${others[i]?.typed}\n${blocks[i]}`).not.toBeNull();
      rest = rest.slice((found?.index ?? 0) + (found?.[0].length ?? 0));
    }
  }
});

test('the code of the guides has the types that it says', async () => {
  const files: Record<string, string> = {};
  for (const name of guides)
    for (const [path, text] of Object.entries(guideOf(await readFile(join(GUIDES, name), 'utf8')).files))
      if (/^agents\/.*\.ts$/.test(path)) files[path.replace('agents/', `agents/${name.replace('.md', '')}-`)] = text;
  const folder = await folderOf({ files: { ...files, [AGENTS_TSCONFIG]: INIT_FILES[AGENTS_TSCONFIG] ?? '' }, steps: [] });
  expect(existsSync(join(ROOT, 'node_modules', '.bin', 'tsc'))).toBe(true);
  const checked = shell(folder, `'${join(ROOT, 'node_modules', '.bin', 'tsc')}' -p agents`);
  expect([await checked.closed, checked.out()]).toEqual([0, '']);
});

test('the configurations of the guides are accepted as they are', async () => {
  let accepted = 0;
  for (const name of guides) {
    const guide = guideOf(await readFile(join(GUIDES, name), 'utf8'));
    const configs = Object.keys(guide.files).filter((path) => path.endsWith('corral.config.ts'));
    if (configs.length === 0) continue;
    const folder = await folderOf(guide);
    for (const path of configs) {
      const loaded = await loadConfig(join(folder, path), {});
      expect(loaded.version).toMatch(/^sha256:/);
      accepted += 1;
      await loaded.close(0);
    }
  }
  expect(accepted).toBeGreaterThan(1);
});

test('the policies that guides show beside their configurations are accepted where there is what they name', async () => {
  const files: Record<string, string> = {};
  for (const name of guides)
    for (const [path, text] of Object.entries(guideOf(await readFile(join(GUIDES, name), 'utf8')).files))
      if (path.startsWith('policies/')) files[path] = text;
  expect(Object.keys(files).length).toBeGreaterThan(2);
  const config = `import { defineConfig, tool } from 'corral/config';
import * as z from 'zod';
export default defineConfig({
  tenants: { local: {} },
  policies: ${JSON.stringify(['default', ...Object.keys(files)])},
  inspectors: { personal: { kind: 'personal' }, firewall: { kind: 'http', url: 'http://127.0.0.1:1/' } },
  models: { default: { provider: 'scripted', turns: [{ say: 'Yes.' }] } },
  tools: [tool({ name: 'payments.send', description: 'Pays.', input: z.object({ to: z.string() }), output: z.string(), run: () => '' })],
});`;
  const folder = await folderOf({ files: { ...files, 'corral.config.ts': config }, steps: [] });
  const loaded = await loadConfig(join(folder, 'corral.config.ts'), {});
  expect(loaded.version).toMatch(/^sha256:/);
  await loaded.close(0);
});

test('the reference for authors has all of the context of an agent, and no global that there is not', async () => {
  const page = await readFile(join(ROOT, 'docs', 'reference', 'authors.md'), 'utf8');
  const section = (title: string) => page.split(`## ${title}`)[1]?.split('\n## ')[0] ?? '';
  const listed = (title: string) => [...section(title).matchAll(/^\| `(\w+)`/gm)].map((match) => match[1] as string);
  const globals = listed('Globals of an isolate');
  expect(globals).toContain('structuredClone');
  const looks = `{ name: 'looks', run: (context) => ({
    context: Object.keys(context), absent: ${JSON.stringify(globals)}.filter((name) => !(name in globalThis)) }) }`;
  const agent = `import { defineAgent } from '@corral/guest';\nexport default defineAgent(${looks});\n`;
  const folder = await folderOf({ files: { 'looks.ts': agent }, steps: [] });
  const run = shell(folder, 'corral run looks.ts');
  const code = await run.closed;
  expect([code, code === 0 ? '' : run.err()]).toEqual([0, '']);
  const { context, absent } = JSON.parse(run.out()) as { context: string[]; absent: string[] };
  expect(listed('The context of an agent’s `run`').sort()).toEqual(context.sort());
  expect(absent).toEqual([]);
});
