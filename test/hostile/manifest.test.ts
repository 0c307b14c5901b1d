/** Bundles whose author has replaced the function by which a bundle describes itself. */
import { expect, test } from 'vitest';
import { world } from '../world.ts';
import { agentFile } from '../agents/file.ts';

// Bug manifest-on-the-loop: 15 MB of `[]` in a schema were parsed, and looked through value by value, on the supervisor's own loop.
test.each([
  ['is larger than any can be', 'larger-than-any', /CORRAL_BUNDLE_INVALID|CORRAL_MANIFEST_INVALID/],
  ['is larger than one may be', 'larger-than-one', /CORRAL_MANIFEST_INVALID/],
  ['has a schema that is too large', 'large-schema', /CORRAL_SCHEMA_INVALID/],
  ['nests 100,000 levels', 'deep-schema', /CORRAL_SCHEMA_INVALID/],
  ['has a member with a name of 50,000 characters', 'long-name', /CORRAL_MANIFEST_INVALID/],
])('a manifest that %s is refused, and the host goes on', async (_, file, code) => {
  const w = await world();
  const refusal = (await w.deploy(agentFile(`hostile/manifest/${file}`)).catch((error: unknown) => error)) as {
    code: string;
    message: string;
  };
  expect(refusal.code).toMatch(code);
  expect(refusal.message.length).toBeLessThan(1500);
  expect(await w.run(`{ name: 'b', async run() { return 'fine' } }`)).toEqual({ kind: 'completed', output: 'fine' });
});
