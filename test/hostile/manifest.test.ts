/** What a bundle says about itself, where its author has taken the way in which it is said into their own hands. */
import { expect, test } from 'vitest';
import { ADMISSION } from '@corral/protocol/limits';
import { world } from '../world.ts';

const described = (manifest: string) => `
  import { defineAgent } from '@corral/guest';
  JSON.stringify = () => ${manifest};
  export default defineAgent({ name: 'a', async run() { return 1 } });`;
const manifest = (input: string) =>
  `'[{"name":"a","purpose":"","image":"base","uses":{},"spawns":[],"input":' + ${input} + ',"output":null,"ceilings":{},"budget":{},"on_unknown":"wait"}]'`;

// 15 MB of `[]` in a schema were parsed, and looked through value by value, on the supervisor's own loop.
test.each([
  ['is larger than any can be', manifest(`'{"enum":[' + '[],'.repeat(5e6) + '0]}'`), /CORRAL_BUNDLE_INVALID|CORRAL_MANIFEST_INVALID/],
  ['is larger than one may be', manifest(`'{"enum":[' + '[],'.repeat(1e5) + '0]}'`), /CORRAL_MANIFEST_INVALID/],
  [
    'has a schema that is too large',
    manifest(`'{"enum":["' + 'x'.repeat(${ADMISSION.schema_bytes.default}) + '"]}'`),
    /CORRAL_SCHEMA_INVALID/,
  ],
  ['nests 100,000 levels', manifest(`'{"enum":' + '['.repeat(1e5) + ']'.repeat(1e5) + '}'`), /CORRAL_SCHEMA_INVALID/],
  ['has a member with a name of 50,000 characters', `'[{"' + 'k'.repeat(5e4) + '":1}]'`, /CORRAL_MANIFEST_INVALID/],
])('a manifest that %s is refused, and the host goes on', async (_, text, code) => {
  const w = await world();
  const refusal = (await w.deploy(described(text)).catch((error: unknown) => error)) as { code: string; message: string };
  expect(refusal.code).toMatch(code);
  expect(refusal.message.length).toBeLessThan(1500);
  expect(await w.run(`{ name: 'b', async run() { return 'fine' } }`)).toEqual({ kind: 'completed', output: 'fine' });
});
