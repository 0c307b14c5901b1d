/** The guides do what they say: each is followed as typed, and its code, configurations and policies are taken as they are printed. */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '@corral/server/config/load';
import { filesOf } from 'create-corral/templates';
import { expect, test } from 'vitest';
import { folderOf, guideOf, GUIDES, notPrinted, OF_FRAMEWORKS, shell } from './guide.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** The options under which `corral init` has agents checked. */
const AGENTS_TSCONFIG = 'agents/tsconfig.json';
const INIT_FILES = filesOf({ config: 'corral.config.ts' });

const guides = (await readdir(GUIDES)).filter((name) => name.endsWith('.md'));
/** The packages of the others are too large for this repository; the test of the table of frameworks has them, and follows these guides. */
const followed = guides.filter((name) => !OF_FRAMEWORKS.includes(name));

/** Those that take the least of a machine and have services, children and tests between them; the others are long. */
const SHORT = ['children-and-budgets.md', 'service.md', 'test-with-fakes-and-time.md'];
const expectFollowed = async (name: string) => expect(await notPrinted(name)).toEqual([]);

test.each(SHORT)('%s does what it says, as typed', (name) => expectFollowed(name));
test.each(followed.filter((name) => !SHORT.includes(name)))('%s does what it says, as typed', { tags: 'long' }, (name) =>
  expectFollowed(name),
);

test('the code of the guides has the types that it says', async () => {
  const files: Record<string, string> = {};
  for (const name of followed)
    for (const [path, text] of Object.entries(guideOf(await readFile(join(GUIDES, name), 'utf8')).files))
      if (/^agents\/.*\.ts$/.test(path)) files[path.replace('agents/', `agents/${name.replace('.md', '')}-`)] = text;
  const folder = await folderOf({ files: { ...files, [AGENTS_TSCONFIG]: INIT_FILES[AGENTS_TSCONFIG] ?? '' }, steps: [] });
  expect(existsSync(join(ROOT, 'node_modules', '.bin', 'tsc'))).toBe(true);
  const checked = shell(folder, `'${join(ROOT, 'node_modules', '.bin', 'tsc')}' -p agents`);
  expect([await checked.closed, checked.out()]).toEqual([0, '']);
});

test('the configurations of the guides are accepted as they are', { tags: 'long' }, async () => {
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
  http: { crm: { origins: ['https://crm.example.com'] } },
  memory: { orders: { kind: 'kv' } },
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
