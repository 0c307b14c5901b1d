/** The README's own agent does what the README says. */
import { access, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readingTools } from '@corral/tools/fs';
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

test('every file that a document links to exists', async () => {
  for (const document of ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'test/bench/README.md']) {
    const base = new URL(`file://${root}/${document}`);
    const links = [...(await readFile(base, 'utf8')).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((link) => link[1] as string);
    for (const link of links) await expect(access(new URL(link, base)), `${document} → ${link}`).resolves.toBeUndefined();
  }
});
