/** Fuzzes the parts that read what strangers wrote: `npm run test:long -- parts`. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fuzz } from './engine.ts';
import { TARGETS } from './targets.ts';

const HELP = `node test/fuzz/main.ts [--target NAME] [--seconds N] [--seed N] [--planted] [--keep]

  --target NAME  one target: ${TARGETS.map(({ name }) => name).join(', ')}
  --seconds N    for each target (10)
  --seed N       the changes follow from it (random, and printed)
  --planted      with a bug in each target, which must be found
  --keep         writes inputs that reached new code into test/fuzz/corpus

An input that breaks something is written into the corpus and printed; the exit code is 1 then.

Example: node test/fuzz/main.ts --target frames --seconds 60
`;
const { values } = parseArgs({
  options: {
    target: { type: 'string' },
    seconds: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 32)) },
    planted: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const chosen = TARGETS.filter(({ name }) => values.target === undefined || values.target === name);
if (values.help || chosen.length === 0 || !(Number(values.seconds) > 0) || !Number.isFinite(Number(values.seed))) {
  (values.help ? process.stdout : process.stderr).write(HELP);
  process.exit(values.help ? 0 : 2);
}
const folderOf = (name: string) => fileURLToPath(new URL(`corpus/${name}/`, import.meta.url));

for (const target of chosen) {
  const folder = folderOf(target.name);
  mkdirSync(folder, { recursive: true });
  const saved = readdirSync(folder).map((file) => readFileSync(folder + file));
  const save = (input: Buffer) => writeFileSync(folder + createHash('sha256').update(input).digest('hex').slice(0, 16), input);
  const until = performance.now() + Number(values.seconds) * 1000;
  const { runs, corpus, found } = fuzz(target, saved, { seed: Number(values.seed), until, planted: values.planted });
  const said = `${target.name}: ${runs} inputs, ${corpus.length} kept, seed ${values.seed}`;
  if (values.planted) {
    if (found === undefined) process.exitCode = 1;
    console.log(`${said}: the planted bug ${found === undefined ? 'WAS NOT FOUND' : 'was found'}`);
    continue;
  }
  if (values.keep) for (const input of corpus.slice(0, 200)) save(input);
  if (found === undefined) console.log(`${said}: all held`);
  else {
    save(found.input);
    console.log(`${said}: BROKEN by ${JSON.stringify(found.input.toString('latin1'))}\n${found.error.stack ?? found.error.message}`);
    process.exitCode = 1;
  }
}
