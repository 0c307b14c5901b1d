/** The example of code that a model wrote: one program does what would be a dozen calls of tools, each with an answer of the model between them. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { modelTool } from '@corral/tools/models/model';
import { scriptedModel } from '@corral/tools/models/scripted';
import { readingTools } from '@corral/tools/fs';
import { temporary, world } from '../world.ts';

const ANALYST = join(dirname(fileURLToPath(import.meta.resolve('@corral/examples/package.json'))), 'analyst.ts');

/** The model's answer. Its first program reads a member that there is not; the second one follows when the model was told the line. */
const program = (member: string) => `Here it is:
\`\`\`js
const { entries } = await caps.list({});
let total = 0;
for (const { name } of entries) {
  const { text } = await caps.read({ path: name });
  total += text.match(/\\d+/g).map(Number).reduce((a, b) => a + b, 0);
}
return { files: entries.${member}, total };
\`\`\`
`;

test('a model that is asked twice, the second time with the line of its mistake, has eleven files read by one program', async () => {
  const folder = join(await temporary(), 'orders');
  await mkdir(folder);
  for (let n = 1; n <= 11; n++) await writeFile(join(folder, `${n}.txt`), `Order ${n} is for 10 lamps`);
  const model = scriptedModel([
    { when: { matches: String.raw`It did not work: failed: .*reading 'count'.*\(line 7 of the program\)` }, say: program('length') },
    { say: program('missing.count') },
  ]);
  const w = await world([
    modelTool([{ model, bounds: { max_output_tokens: 2_000 }, prices: () => 0 }], { name: 'default', timeout_ms: 60_000 }),
    ...(await readingTools(folder)),
  ]);
  const { id, ended } = await w.submit(await w.deployFile(ANALYST), { question: 'How many lamps, and what do the numbers add up to?' });
  expect(await ended).toEqual({ kind: 'completed', output: { answer: { files: 11, total: 66 + 110 }, tries: 2 } });
  const calls = async (run: string) =>
    (await w.store.journal(run as never, 0)).flatMap(({ decisions }) =>
      decisions.flatMap(({ tool }) => (tool === undefined ? [] : [tool])),
    );
  expect(await calls(id)).toEqual(['model:default', 'model:default']);
  const programs = await w.store.runs({ parent: id });
  expect(programs).toHaveLength(2);
  for (const { record } of programs) expect(await calls(record.id)).toEqual(['fs.list', ...Array.from({ length: 11 }, () => 'fs.read')]);
});
