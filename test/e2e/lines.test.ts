/** An error names the line of the author's file, wherever the run is looked at. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { corral, folder } from '../command.ts';
import { front } from '../front.ts';
import { temporary } from '../world.ts';
import { agentFile } from '../agents/file.ts';

const THROWS = `{
  name: 'thrower',
  run({ log }) {
    log('before', new Error('seen'));
    inner();
  },
});
function inner() {
  throw new Error('here');
}
void ({`;

/** The second of three calls fails. */
const CALLS = `{
  name: 'calls', uses: { read: 'tool:fs.read' },
  async run({ caps }) {
    await caps.read({ path: 'there.txt' });
    await caps.read({ path: 'not-there.txt' });
    await caps.read({ path: 'there.txt' });
  },
}`;

test('run, dev, replay and journal name the line of the author’s file', { tags: 'long' }, async () => {
  const made = await folder();
  const file = await made.file('agent.ts', THROWS.replace(/void \(\{$/, 'void ({}'));
  const run = await made.on('run', file);
  expect(run.err).toMatch(/agent\.ts:10:9/);
  expect((await corral(['dev', file])).err).toMatch(/agent\.ts:10:9/);
  expect((await corral(['run', file, '--json'])).out).toMatch(/agent\.ts:10:9/);
  const id = /run_\w{12}/.exec(run.err)?.[0] ?? '';
  for (const verb of ['journal', 'replay']) {
    const { out } = await corral([verb, id, '--data', made.data], undefined, { COLUMNS: '400' });
    expect([verb, out]).toEqual([verb, expect.stringMatching(/finish with an error at \S*agent\.ts:10:9: here/)]);
  }
});

/** A folder with the one file that is there. */
async function readable(): Promise<string> {
  const below = join(await temporary(), 'f');
  await mkdir(below);
  await writeFile(join(below, 'there.txt'), 'x');
  return below;
}

test('a call that fails names the line it was made at', async () => {
  const [made, below] = [await folder(), await readable()];
  const plain = await made.on('run', await made.file('calls.ts', CALLS), '--read', below);
  expect(plain.err).toMatch(/ToolFailed: not-there\.txt does not exist\.\n +at .*calls\.ts:6:16/);
});

test('a call that fails names the line it was made at where nobody awaits it there', { tags: 'long' }, async () => {
  const [made, below] = [await folder(), await readable()];
  const later = CALLS.replace(
    "await caps.read({ path: 'not-there.txt' });",
    "const p = caps.read({ path: 'not-there.txt' }, { timeout_ms: 5000, signal: AbortSignal.timeout(60000) });",
  ).replace(
    /await caps\.read\(\{ path: 'there\.txt' \}\);\n {2}\},/,
    'await Promise.race([p.then((x) => x), new Promise(() => {})]);\n  },',
  );
  const kept = await made.on('run', await made.file('later.ts', later), '--read', below);
  expect(kept.err).toMatch(/ToolFailed: not-there\.txt does not exist\.\n +at .*later\.ts:6:20/);
});

test('a host’s verbs name the line of the author’s file', { tags: 'long' }, async () => {
  const { data, admin } = await front();
  const root = await temporary();
  const file = join(root, 'agent.ts');
  await writeFile(
    file,
    `import { defineAgent } from '@corral/guest';\nexport default defineAgent(${THROWS.replace(/void \(\{$/, 'void ({}')});\n`,
  );
  // Wide enough for the path of the file from wherever the tests run.
  const on = (...args: string[]) => corral([...args, '--data', data], undefined, { COLUMNS: '400' });
  expect((await on('deploy', file)).code).toBe(0);
  const { err } = await on('submit', 'thrower', '--wait');
  expect(err).toMatch(/agent\.ts:10:9/);
  const [{ run = '' } = {}] = (await admin.listRuns({})).items;
  for (const verb of ['show', 'why', 'logs', 'journal'])
    expect([verb, (await on(verb, run)).out]).toEqual([verb, expect.stringMatching(/agent\.ts:10:9/)]);
  // So do programs that read JSON.
  const { stack } = (JSON.parse((await on('show', run, '--json')).out) as { outcome: { stack: string } }).outcome;
  expect(stack).toMatch(/agent\.ts:10:9/);
  expect(stack).not.toMatch(/agent\.js|corral:prelude/);
  expect((JSON.parse((await on('wait', run, '--json')).out) as { outcome: unknown }).outcome).toMatchObject({ stack });
  // So does an error that the agent logged.
  expect((await on('logs', run)).out).toMatch(/before Error: seen .*agent\.ts:5:19/);
});

test('dev tells an error once, refers to it where the agent lets it pass, and says that it cuts a line', async () => {
  const made = await folder();
  const below = await temporary();
  await writeFile(join(below, 'there.txt'), 'x');
  const { err } = await corral([
    'dev',
    await made.file('calls.ts', CALLS.replace('await caps', "log('x'.repeat(300));\n    await caps").replace('{ caps }', '{ caps, log }')),
    '--read',
    below,
  ]);
  expect(err).toMatch(/log info {2}x+… \(\d+ characters\)/);
  expect(err.split('not-there.txt does not exist.').length - 1).toBe(2);
  expect(err).toMatch(/← 2 {2}CORRAL_TOOL_FAILED: not-there\.txt does not exist\.\n.*finish with an error: as above\n/);
});

type Refused = readonly [what: string, source: string, says: RegExp];
const expectRefused = async (_: string, source: string, says: RegExp) => {
  const file = join(await temporary(), 'agent.ts');
  await writeFile(
    file,
    `import { defineAgent } from '@corral/guest';\n${source}\nexport default defineAgent({ name: 'a', run: () => 1 });\n`,
  );
  const { code, err } = await corral(['run', file]);
  expect([code, err]).toEqual([2, expect.stringMatching(says)]);
};

test.each<Refused>([
  [
    'throws while it is loaded',
    `export const x = 1;\nthrow new Error('no');`,
    /The bundle could not be loaded: no \(at \S*agent\.ts:3:7\)/,
  ],
  [
    'awaits at its top level',
    'const x = await Promise.resolve(1);',
    /agent\.ts:2:11: An agent is one script, which cannot await at its top level/,
  ],
  ['imports a part of Node', "import 'node:fs';", /agent\.ts:2:8: node:fs is part of Node, which an agent does not have/],
  ['imports a file that is not there', "import './nothing.ts';", /agent\.ts:2:8: There is no file \.\/nothing\.ts/],
])('a bundle that %s is refused with the line', (...row) => expectRefused(...row));

test.each<Refused>([
  [
    'imports a package that is not there',
    "import 'left-pad-that-is-not-there';",
    /agent\.ts:2:8: There is no package left-pad-that-is-not-there/,
  ],
  [
    'asks for what only Node has',
    'export const x = process.env.HOME;',
    /process is not defined \(at \S*agent\.ts:2:18\)\. An agent runs in an isolate, which has no `process`: /,
  ],
  ['throws what is not an Error while it is loaded', 'throw { code: 1 };', /it threw something that is not an Error/],
])('a bundle that %s is refused with the line', { tags: 'long' }, (...row) => expectRefused(...row));

const expectUnlike = async (_: string, source: string, says: RegExp) => {
  const file = join(await temporary(), 'agent.ts');
  await writeFile(file, `${source}\n`);
  const { code, err } = await corral(['run', file], undefined, { COLUMNS: '400' });
  expect([code, err]).toEqual([2, expect.stringMatching(says)]);
};

test.each<Refused>([
  ['nothing', 'export const agent = 1; export const other = 2;', /agent\.ts: It has no default export; .* It exports agent, other\./],
  ['an object', "export default { name: 'a', run: () => 1 };", /agent\.ts: The default export is an object \(name, run\), /],
  [
    'a child that is no agent',
    "import { defineAgent } from '@corral/guest';\nexport default defineAgent({ name: 'a', spawns: { kid: (() => 1) as never }, run: () => 1 });",
    /agent\.ts: a spawns kid, which is a function \(kid\), and not what defineAgent made/,
  ],
])('an agent’s file whose default export is %s says which file, and what there is instead', (...row) => expectUnlike(...row));

test.each<Refused>([
  [
    'nothing, and exports nothing else either',
    'const agent = 1;',
    /agent\.ts: The default export is an empty object, as that of a file without exports, /,
  ],
  [
    'an agent with a misspelt field',
    "import { defineAgent } from '@corral/guest';\nexport default defineAgent({ name: 'a', use: {}, run: () => 1 } as never);",
    /CORRAL_MANIFEST_INVALID \S*agent\.ts: a: defineAgent has no field use\. Did you mean uses\? Fields are name, purpose, /,
  ],
  ['missing beside an import', "import 'zod/mini';", /agent\.ts: It has no default export; .* It exports nothing\./],
  ['a function', 'export default function work() {}', /agent\.ts: The default export is a function \(work\), /],
  ['a Map', 'export default new Map();', /agent\.ts: The default export is a Map, /],
  ['an agent that nobody awaited', 'export default Promise.resolve(1);', /agent\.ts: The default export is a Promise, /],
  ['undefined', 'export default undefined;', /agent\.ts: The default export is undefined, /],
])('an agent’s file whose default export is %s says which file, and what there is instead', { tags: 'long' }, (...row) =>
  expectUnlike(...row),
);

test('dev and deploy name the file without an agent, too', { tags: 'long' }, async () => {
  const file = join(await temporary(), 'agent.ts');
  await writeFile(file, 'export default new Map();\n');
  const { data } = await front();
  for (const args of [
    ['dev', file],
    ['deploy', file, '--data', data],
  ]) {
    const { code, err } = await corral(args, undefined, { COLUMNS: '400' });
    expect([args[0], code, err]).toEqual([args[0], 2, expect.stringMatching(/agent\.ts: The default export is a Map, /)]);
  }
});

test('a module is strict, as modules are, and a package may ask what it is built for', { tags: 'long' }, async () => {
  const { on } = await folder();
  const agent = agentFile('crew/strict').file;
  const { out, err } = await on('run', agent);
  expect([err.includes('completed'), JSON.parse(out)]).toEqual([true, ['production', 'undefined', 'TypeError', 'ReferenceError']]);
});

test('a host that ended a run for its CPU time says on which line it computed when its journal is replayed', { tags: 'long' }, async () => {
  const { data, host } = await front();
  const file = join(await temporary(), 'agent.ts');
  await writeFile(
    file,
    `import { defineAgent } from '@corral/guest';\n\nfunction forever(): never {\n  for (;;);\n}\nexport default defineAgent({\n  name: 'busy',\n  async run({ sleep }) {\n    await sleep(1);\n    forever();\n  },\n});\n`,
  );
  const on = (...args: string[]) => corral([...args, '--data', data], undefined, { COLUMNS: '400' });
  expect((await on('deploy', file)).code).toBe(0);
  const { code, err } = await on('submit', 'busy', '--wait');
  expect([code, err]).toEqual([1, expect.stringContaining('exceeded(cpu)')]);
  const run = /run_\w{12}/.exec(err)?.[0] ?? '';
  const { out: why } = await on('why', run);
  expect(why).toContain(`corral replay ${run}`);
  expect(why).toMatch(/submit it with a higher limit of a crank: --ceilings '\{"crank_cpu_ms":\d+\}'/);
  const computed = /computed here[^\n]*\n +at forever \(\S*agent\.ts:4:\d+\)\n +at \S*(?:run )?\(?\S*agent\.ts:10:\d+/;
  expect((await on('replay', run)).out).toMatch(computed);
  const { computed_at } = JSON.parse((await on('replay', run, '--json')).out) as { computed_at: string };
  expect(computed_at).toMatch(/agent\.ts:4:/);
  await host.close();
  expect((await on('replay', run)).out).toMatch(computed);
});
