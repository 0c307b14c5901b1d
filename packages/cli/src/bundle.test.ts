/** A bundle holds what runs; the writer of JSON Schema is in the bundle that describes an agent, where the agent has schemas for it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { bundleAgent } from './bundle.ts';

async function bundleOf(text: string) {
  const folder = await mkdtemp(join(tmpdir(), 'corral-test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'agent.ts');
  await writeFile(file, text);
  return bundleAgent(file);
}

test('the writer of JSON Schema describes an agent with schemas of zod, and is in no bundle that runs', async () => {
  const { source, describing } = await bundleOf(
    `import { defineAgent } from '@corral/guest'; import * as z from 'zod/mini';
     export default defineAgent({ name: 'a', input: z.object({ n: z.number() }), run: ({ input }) => input.n });`,
  );
  expect([source.includes('toJSONSchema:'), describing.includes('toJSONSchema:')]).toEqual([false, true]);
});

test('an agent without such schemas is described by the bundle that runs', async () => {
  const { source, describing } = await bundleOf(
    `import { defineAgent } from '@corral/guest'; export default defineAgent({ name: 'a', run: () => 1 });`,
  );
  expect(describing).toBe(source);
});
