/** The README's own agent does what the README says, and documents name files that exist. */
import { access, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readingTools } from '@corral/tools/fs';
import { front, shortFolder } from '../front.ts';
import { linkPackages } from '../project.ts';
import { world } from '../world.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

test('the README’s agent is the one in examples, and counts lines', async () => {
  const agent = await readFile(`${root}/examples/count.ts`, 'utf8');
  expect(await readFile(`${root}/README.md`, 'utf8')).toContain(`\`\`\`ts\n${agent}\`\`\``);

  const w = await world(await readingTools(`${root}/examples/zoo`));
  const { ended } = await w.submit(await w.deployFile(`${root}/examples/count.ts`));
  const spin = (await readFile(`${root}/examples/zoo/spin.ts`, 'utf8')).split('\n').length;
  expect(await ended).toMatchObject({ kind: 'completed', output: expect.arrayContaining([{ file: 'spin.ts', lines: spin }]) as unknown });
});

const ORDERS = `import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
export default defineConfig({
  tenants: { local: {} },
  models: { default: { provider: 'scripted', turns: [
    { when: { after: 'orders', matches: 'left on [A-Z][a-z]+' }, say: 'It $0.' },
    { when: { matches: 'order ([0-9]+)' }, call: [{ tool: 'orders', input: { id: '$1' } }] },
  ] } },
  tools: [tool({ name: 'orders.get', description: 'an order', input: z.object({ id: z.string() }), output: z.string(),
    annotations: { readOnly: true, idempotent: true, destructive: false, openWorld: false }, run: ({ id }) => 'Order ' + id + ' left on Monday.' })],
});
`;

test('the README’s agent with a model is that of its guide, and answers by what its tool says', async () => {
  const [, agent = ''] = /^## With a model$[^]*?^```ts\n([^]*?)^```$/mu.exec(await readFile(`${root}/README.md`, 'utf8')) ?? [];
  expect(await readFile(`${root}/docs/guides/model.md`, 'utf8')).toContain(`\`\`\`ts\n// agents/support.ts\n${agent}\`\`\``);

  const folder = await shortFolder();
  await mkdir(folder, { recursive: true });
  await linkPackages(folder);
  await writeFile(join(folder, 'corral.config.ts'), ORDERS);
  const { admin, deploy } = await front({ data: folder, config: join(folder, 'corral.config.ts') });
  await writeFile(join(folder, 'support.ts'), agent);
  await deploy({ file: join(folder, 'support.ts') });
  const { run } = await admin.submitRun({ body: { agent: 'support', input: { question: 'Where is order 7?' } } });
  const { outcome } = await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  expect(outcome).toEqual({ kind: 'completed', output: 'It left on Monday.' });
});

test('every file that a document links to exists', async () => {
  for (const document of ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'test/bench/README.md']) {
    const base = new URL(`file://${root}/${document}`);
    const links = [...(await readFile(base, 'utf8')).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((link) => link[1] as string);
    for (const link of links) await expect(access(new URL(link, base)), `${document} → ${link}`).resolves.toBeUndefined();
  }
});

const TOPS = ['packages', 'test', 'docs', 'examples', 'scripts', 'sandbox-images', 'deploy', '.ci'];
/** Files that the documents describe and that are not in this repository: those of the people who use Corral, and those that are built. */
const ELSEWHERE = [/^corral\.config\.ts$/, /^agents\/((tests\/)?buyer\.ts|tsconfig\.json)$/];

/** Paths of all files from the root, without what is installed or built. */
async function filesOf(top: string): Promise<string[]> {
  const found = await readdir(`${root}/${top}`, { recursive: true, withFileTypes: true });
  return found
    .filter((entry) => entry.isFile() && !/node_modules|\/dist(\/|$)/.test(entry.parentPath))
    .map((entry) => `${entry.parentPath}/${entry.name}`.slice(root.length).replace(/^\/*/, '/'));
}

/** Paths that a document names between backticks: of files of this repository, and of its folders if they begin at the root or a package. */
function namedIn(text: string, packages: readonly string[]): string[] {
  const code = [...text.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/`([^`\n]+)`/g)].map((match) => match[1] as string);
  return code.filter((name) => {
    if (!/^[\w.-]+(\/[\w.-]+)*\/?$/.test(name) || ELSEWHERE.some((pattern) => pattern.test(name))) return false;
    const [first = '', second] = name.split('/');
    return (
      /[^/]\.(ts|mjs|md)$/.test(name) || (second !== undefined && (TOPS.includes(first) || (packages.includes(first) && second === 'src')))
    );
  });
}

test('every path between backticks in a document is that of a file or folder, given from the root, its package or its folder', async () => {
  const files = (
    await Promise.all([...TOPS.map((top) => filesOf(top)), readdir(root).then((names) => names.map((name) => `/${name}`))])
  ).flat();
  const packages = await readdir(`${root}/packages`);
  const documents = files.filter((file) => /^\/(ARCHITECTURE|CONTRIBUTING|docs\/[^/]+|packages\/[^/]+\/README)(\.md)?$/.test(file));
  const missing: string[] = [];
  for (const document of documents) {
    for (const name of namedIn(await readFile(`${root}${document}`, 'utf8'), packages)) {
      const path = `/${name.replace(/\/$/, '')}`;
      if (!files.some((file) => file.endsWith(path) || file.includes(`${path}/`))) missing.push(`${document}: ${name}`);
    }
  }
  expect(missing).toEqual([]);
});
