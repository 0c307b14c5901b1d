/** A cell that was taken over describes a bundle as its author could not. */
import { expect, test } from 'vitest';
import { world } from '../world.ts';
import { Mixed } from './fixtures/bad-cells.ts';

// Bug manifest-on-the-loop: 15 MB of `[]` in a schema were parsed, and looked through value by value, on the supervisor's own loop.
test.each([
  ['is larger than any can be', /CORRAL_CELL_PROTOCOL|CORRAL_BUNDLE_INVALID|CORRAL_MANIFEST_INVALID/],
  ['is larger than one may be', /CORRAL_MANIFEST_INVALID/],
  ['has a schema that is too large', /CORRAL_SCHEMA_INVALID/],
  ['nests 100,000 levels', /CORRAL_SCHEMA_INVALID/],
  ['has a member with a name of 50,000 characters', /CORRAL_MANIFEST_INVALID/],
])('a manifest that %s is refused, and the host goes on', async (way, code) => {
  const launcher = new Mixed();
  launcher.way = way;
  const w = await world([], { launcher, spares: 1 });
  const agent = `{ name: 'b', async run() { return 'fine' } }`;
  const refusal = (await w.deploy(agent).catch((error: unknown) => error)) as { code: string; message: string };
  expect(refusal.code).toMatch(code);
  expect(refusal.message.length).toBeLessThan(1500);
  expect(await w.run(agent)).toEqual({ kind: 'completed', output: 'fine' });
});
