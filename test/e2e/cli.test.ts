/** The command line as people meet it, bad days included: one clear sentence, its code, what to do, the right exit code. */
import type { ChildProcess } from 'node:child_process';
import { mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ADMISSION } from '@corral/protocol/limits';
import { SqliteStore } from '@corral/store/sqlite';
import { findWalls, osWall } from '@corral/supervisor';
import { CORRAL, FROM_SOURCES, start } from '../command.ts';
import { databaseOf } from '../database.ts';
import { temporary } from '../world.ts';
import { until, realTime } from '../until.ts';
import { agentFile } from '../agents/file.ts';

const HELLO = join(dirname(fileURLToPath(import.meta.resolve('@corral/examples/package.json'))), 'hello.ts');
const walls = findWalls();

/** @param prefix a program that starts it */
const started = (args: readonly string[], prefix: readonly string[] = [], env: NodeJS.ProcessEnv = {}) =>
  start([...prefix, ...CORRAL, ...args], { env });
const corral = (...args: string[]) => started(args).said;

async function agent(source: string): Promise<string> {
  const file = join(await temporary(), 'agent.ts');
  await writeFile(file, source);
  return file;
}
const using = (definition: string) => agent(`import { defineAgent } from '@corral/guest';\nexport default defineAgent(${definition});`);

describe('corral run', () => {
  test('prints what the agent returns on its output and everything else beside it', async () => {
    const { code, out, err } = await corral('run', HELLO, '--input', '{"name":"Ada"}');
    expect([code, JSON.parse(out)]).toEqual([0, { greeting: 'Hello, Ada!' }]);
    expect(err).toMatch(/hello {2}completed/);
  });

  test.each([
    ['a folder as its input', ['run', HELLO, '--input', `@${tmpdir()}`], 'is a folder'],
    ['no file as its input', ['run', HELLO, '--input', '@'], 'names no file'],
    ['an input with a large account number', ['run', HELLO, '--input', '{"name":12345678901234567890}'], 'would lose precision'],
    ['a folder as its agent', ['run', tmpdir()], 'is a folder'],
    ['a file as the folder to read', ['run', HELLO, '--read', HELLO], 'names a file and not a folder'],
    ['a folder as its policy', ['run', HELLO, '--policy', tmpdir()], 'names no file that can be read'],
  ])('refuses %s in words, as a mistake of who typed it', async (_, args, says) => {
    const { code, err } = await corral(...args);
    expect([code, err]).toEqual([2, expect.stringContaining(says)]);
    expect(err).toMatch(/^CORRAL_USAGE /);
  });

  test('takes an input with a byte order mark, and prints one JSON document for machines', async () => {
    const file = join(await temporary(), 'input.json');
    await writeFile(file, '\uFEFF{"name":"Ada"}');
    const { code, out } = await corral('run', HELLO, '--input', `@${file}`, '--json');
    expect([code, JSON.parse(out)]).toMatchObject([
      0,
      { agent: 'hello', outcome: { kind: 'completed', output: { greeting: 'Hello, Ada!' } }, calls: 0 },
    ]);
  });

  /** A folder with a policy, and what a run says that writes there. */
  async function writing() {
    const folder = await temporary();
    const writer = await using(`{ name: 'w', uses: { write: 'tool:fs.write' }, async run({ caps }) {
      return caps.write({ path: 'a.txt', text: 'hi' }).then(() => 'written', (error) => error.code) } }`);
    const free = join(folder, 'free.cedar');
    await writeFile(free, '@id("free") permit (principal, action, resource);');
    const said = async (policy: string, ...more: string[]) => {
      const { code, out, err } = await corral('run', writer, '--write', folder, '--policy', policy, ...more);
      return [
        code,
        JSON.parse(out) as unknown,
        err.includes('nobody was asked about fs.write (first-use), since there is no terminal here'),
      ];
    };
    return { folder, writer, free, said };
  }

  test('asks about calls by the policies it is given, and takes no for the answer where nobody sits at a terminal', async () => {
    const { folder, said } = await writing();
    // The agent completes, and a script still sees that a question was left out.
    expect(await said('default', '--json')).toMatchObject([
      1,
      { outcome: { kind: 'completed', output: 'CORRAL_APPROVAL_DENIED' }, unasked: [{ call: 1, tool: 'fs.write', why: 'first-use' }] },
      true,
    ]);
    expect(await readdir(folder)).toEqual(['free.cedar']);
  });

  test('asks nobody where the command line, or a policy, has the answer', { tags: 'long' }, async () => {
    const { folder, writer, free, said } = await writing();
    expect(await said('default', '--deny')).toEqual([0, 'CORRAL_APPROVAL_DENIED', false]);
    expect(await readdir(folder)).toEqual(['free.cedar']);
    expect(await said('default', '--approve')).toEqual([0, 'written', false]);
    expect(await said(free)).toEqual([0, 'written', false]);
    await writeFile(free, 'permit (principal, action, resource) when { resource.nothing };');
    expect(await corral('run', writer, '--write', folder, '--policy', free)).toMatchObject({
      code: 2,
      err: expect.stringContaining('CORRAL_POLICY_INVALID') as string,
    });
  });

  test('keeps control characters of an agent’s log from the terminal', async () => {
    const { err } = await corral('run', await using(`{ name: 'a', run({ log }) { log('\\u001b[2Jgone\\u0007\\u202e') } }`));
    expect(err).toContain('gone');
    // oxlint-disable-next-line no-control-regex -- they are what is looked for
    expect(err).not.toMatch(/\u001b\[2J|\u0007|\u202e/);
  });

  test('ends with 1 when the run does not complete, and says why', async () => {
    const failed = await corral('run', await using(`{ name: 'a', run() { throw new Error('out of tea') } }`));
    expect(failed).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(/failed\(CORRAL_AGENT_THREW\)[\s\S]*out of tea/) as string,
    });
    const unfit = await corral('run', HELLO, '--input', '{"name":7}');
    expect(unfit).toMatchObject({ code: 1, err: expect.stringMatching(/CORRAL_INPUT_INVALID[\s\S]*name/) as string });
  });

  type Refused = readonly [what: string, args: () => Promise<readonly string[]>, says: RegExp];
  const expectRefused = async (_: string, args: Refused[1], message: RegExp) => {
    const { code, out, err } = await corral(...(await args()));
    expect(err).toMatch(message);
    expect([code, out]).toEqual([2, '']);
    // A sentence, a code and what to do: never a stack trace.
    expect(err).not.toMatch(/^\s+at /m);
  };

  test.each<Refused>([
    ['a bundle that does not parse', async () => ['run', await agent('export default {{')], /CORRAL_BUNDLE_INVALID .*agent\.ts:1:\d+/],
    ['a module that is no agent', async () => ['run', await agent('export default 7')], /CORRAL_BUNDLE_INVALID .*defineAgent/],
    ['a module that imports what is not there', async () => ['run', await agent('import "nowhere"')], /CORRAL_BUNDLE_INVALID .*nowhere/],
    [
      'a manifest with a capability nobody offers',
      async () => ['run', await using(`{ name: 'a', uses: { fly: 'tool:rocket' }, run() {} }`)],
      /CORRAL_CAP_UNKNOWN a uses fly as tool:rocket/,
    ],
    [
      'a tool that a flag would offer',
      async () => ['run', await using(`{ name: 'a', uses: { read: 'tool:fs.read' }, run() {} }`)],
      /CORRAL_CAP_UNKNOWN .*--read/,
    ],
    ['a manifest with a wrong name', async () => ['run', await using(`{ name: 'My Agent', run() {} }`)], /CORRAL_MANIFEST_INVALID .*name/],
    [
      'a schema that cannot be written as JSON Schema',
      async () => [
        'run',
        await using(`{ name: 'a', input: { '~standard': { version: 1, vendor: 'x', validate: (value) => ({ value }) } }, run() {} }`),
      ],
      /CORRAL_SCHEMA_INVALID/,
    ],
    ['an input that is not JSON', async () => ['run', HELLO, '--input', '{name}'], /CORRAL_USAGE --input is not valid JSON/],
    ['an input from a file that is not there', async () => ['run', HELLO, '--input', '@nowhere.json'], /CORRAL_USAGE .*nowhere\.json/],
    ['a file that is not there', async () => ['run', 'nowhere.ts'], /CORRAL_USAGE .*nowhere\.ts/],
    ['a folder that is not there', async () => ['run', HELLO, '--read', 'nowhere'], /CORRAL_USAGE .*--read/],
    ['a flag that is not there', async () => ['run', HELLO, '--fast'], /^CORRAL_USAGE unknown option '--fast'\n\(see corral run --help\)/],
    ['a command that is not there', async () => ['rnu', HELLO], /^CORRAL_USAGE unknown command 'rnu'\. Did you mean run\?\n/],
    ['a command that is called otherwise', async () => ['stop', 'x'], /^CORRAL_USAGE unknown command 'stop'\. .*pause.* kill\.\n/],
    ['the help of one', async () => ['help', 'list'], /^CORRAL_USAGE corral has no command list\. You may mean ps/],
    ['a test that is not there', async () => ['test', 'none.test.ts'], /^CORRAL_USAGE There is no file none\.test\.ts/],
  ])('refuses %s before anything runs', (...row) => expectRefused(...row));

  // More that is found out in a cell, for which each of them starts a host.
  test.each<Refused>([
    ['a bundle that throws when it is loaded', async () => ['run', await agent('throw new Error("boom")')], /CORRAL_BUNDLE_INVALID .*boom/],
    ['a bundle that loops when it is loaded', async () => ['run', await agent('for (;;);')], /CORRAL_BUNDLE_INVALID/],
    [
      'a mailbox that nobody can give',
      async () => ['run', await using(`{ name: 'a', uses: { home: 'mailbox' }, run() {} }`)],
      /CORRAL_CAP_NOT_GRANTED .*spawn/,
    ],
    [
      'a ceiling beyond the maximum',
      async () => ['run', await using(`{ name: 'a', ceilings: { memory_mib: 99999 }, run() {} }`)],
      /CORRAL_MANIFEST_INVALID .*memory_mib/,
    ],
    [
      'a schema that nests too deeply',
      async () => [
        'run',
        await using(
          `{ name: 'a', input: { '~standard': { version: 1, vendor: 'x', validate: (value) => ({ value }), jsonSchema: { input: () => JSON.parse('{"a":'.repeat(50) + '1' + '}'.repeat(50)) } } }, run() {} }`,
        ),
      ],
      /CORRAL_SCHEMA_INVALID .*nests deeper/,
    ],
    [
      'a schema that nests without end',
      async () => [
        'run',
        await using(
          `{ name: 'a', input: { '~standard': { version: 1, vendor: 'x', validate: (value) => ({ value }), jsonSchema: { input: () => JSON.parse('{"a":'.repeat(5e4) + '1' + '}'.repeat(5e4)) } } }, run() {} }`,
        ),
      ],
      /CORRAL_(SCHEMA|BUNDLE)_INVALID/,
    ],
  ])('refuses %s before anything runs', { tags: 'long' }, (...row) => expectRefused(...row));

  test('refuses an input that is too large without reading it', async () => {
    const file = join(await temporary(), 'input.json');
    await writeFile(file, '');
    await truncate(file, ADMISSION.input_bytes.default + 1);
    expect(await corral('run', HELLO, '--input', `@${file}`)).toMatchObject({
      code: 2,
      err: expect.stringContaining('CORRAL_INPUT_TOO_LARGE') as string,
    });
  });

  test('leaves an agent’s exploding pattern to the agent’s own isolate', { tags: 'long' }, async () => {
    const { file } = agentFile('hostile/manifest/exploding-pattern');
    const { code, err } = await corral('run', file, '--input', JSON.stringify({ text: `${'a'.repeat(40)}!` }));
    expect([code, err]).toEqual([1, expect.stringMatching(/exceeded\(cpu\)[^]*→ .*`ceilings: \{ crank_cpu_ms: \d+ \}`/)]);
  });

  test('reports errors as JSON to those who asked for JSON', async () => {
    const { code, out } = await corral('run', 'nowhere.ts', '--json');
    expect([code, JSON.parse(out)]).toMatchObject([2, { error: { code: 'CORRAL_USAGE', hint: expect.any(String) as string } }]);
  });

  test('writes only below the folder it was given', async () => {
    const folder = await temporary();
    await mkdir(join(folder, 'out'));
    const file = await using(
      `{ name: 'a', uses: { write: 'tool:fs.write' }, async run({ caps }) { await caps.write({ path: 'in/side.txt', text: 'x' }); return caps.write({ path: '../outside.txt', text: 'x' }).catch((error) => error.message) } }`,
    );
    const { code, out } = await corral('run', file, '--write', join(folder, 'out'));
    expect([code, JSON.parse(out)]).toEqual([0, '../outside.txt leads out of the folder.']);
    expect(await readdir(folder, { recursive: true })).toEqual(['out', 'out/in', 'out/in/side.txt']);
  });
});

describe('a data folder', () => {
  const runIn = (folder: string, prefix: readonly string[] = []) =>
    started(['run', HELLO, '--input', '{"name":"Ada"}', '--data', folder], prefix).said;

  test('keeps its runs', async () => {
    const folder = join(await temporary(), 'data');
    expect(await runIn(folder)).toMatchObject({ code: 0 });
    const store = await SqliteStore.open(folder);
    expect(await store.runs({ ended: true })).toMatchObject([{ record: { agent: 'hello', tenant: 'local' } }]);
    await store.close();
  });

  test('that another Corral has is refused, and the other one loses nothing', async () => {
    const folder = join(await temporary(), 'data');
    const store = await SqliteStore.open(folder);
    expect(await runIn(folder)).toMatchObject({
      code: 3,
      err: expect.stringMatching(/CORRAL_DATA_LOCKED .*another folder with --data/s) as string,
    });
    expect(await store.runs({})).toEqual([]);
    await store.close();
    expect(await runIn(folder)).toMatchObject({ code: 0 });
  });

  test('that is damaged is named and left as it is', async () => {
    const folder = join(await temporary(), 'data');
    await (await SqliteStore.open(folder)).close();
    const file = join(folder, 'corral.db');
    const noise = Buffer.from(await readFile(file));
    noise.fill(0x5a, 0, 4096);
    await writeFile(file, noise);
    expect(await runIn(folder)).toMatchObject({ code: 3, err: expect.stringMatching(/CORRAL_DATA_CORRUPT .*backup/s) as string });
    expect(await readFile(file)).toEqual(noise);
  });

  test('that a newer Corral wrote is refused', async () => {
    const folder = join(await temporary(), 'data');
    await (await SqliteStore.open(folder)).close();
    const db = databaseOf(folder);
    db.exec('PRAGMA user_version = 999');
    db.close();
    expect(await runIn(folder)).toMatchObject({ code: 3, err: expect.stringContaining('CORRAL_DATA_VERSION') as string });
  });

  test('that is a file is refused', async () => {
    const file = join(await temporary(), 'data');
    await writeFile(file, 'not a folder');
    expect(await runIn(file)).toMatchObject({ code: 3, err: expect.stringContaining('CORRAL_DATA_UNUSABLE') as string });
  });

  const bwrap = 'path' in walls.bubblewrap ? walls.bubblewrap.path : undefined;
  test.runIf(bwrap !== undefined)('that cannot be written to is refused', async () => {
    const folder = join(await temporary(), 'data');
    await mkdir(folder);
    const said = await runIn(folder, [bwrap as string, '--dev-bind', '/', '/', '--ro-bind', folder, folder]);
    expect(said).toMatchObject({ code: 3, err: expect.stringContaining('CORRAL_DATA_UNUSABLE') as string });
    expect(await readdir(folder)).toEqual([]);
  });

  test.runIf(bwrap !== undefined)('that is full is refused', async () => {
    const folder = join(await temporary(), 'data');
    await mkdir(folder);
    const said = await runIn(folder, [bwrap as string, '--dev-bind', '/', '/', '--size', '65536', '--tmpfs', folder]);
    expect(said).toMatchObject({ code: 3, err: expect.stringContaining('CORRAL_DISK_FULL') as string });
  });
});

describe('an interrupted command', () => {
  test('leaves no folder behind: not the demo’s either', { tags: 'long' }, async () => {
    const [report, temp] = [await temporary(), await temporary()];
    // The demo looks at the licences of installed packages, and there are none beside the bundle.
    const { child, said, out } = start([...FROM_SOURCES, 'demo', '--once', '--out', report], { env: { TMPDIR: temp } });
    await until(() => out().includes('the crew alone: '), 'the crew is at work');
    child.kill('SIGINT');
    expect((await said).code).toBe(130);
    expect((await readdir(temp)).filter((name) => name.startsWith('corral-'))).toEqual([]);
  });

  test('leaves nothing running and nothing lying about after SIGINT', () => expectNothingLeft('SIGINT', 130));
  test('leaves nothing running and nothing lying about after SIGTERM', { tags: 'long' }, () => expectNothingLeft('SIGTERM', 143));

  async function expectNothingLeft(signal: NodeJS.Signals, expected: number) {
    const scratch = await temporary();
    const file = await using(`{ name: 'a', ceilings: { crank_cpu_ms: 10000 }, run() { for (;;); } }`);
    const { child, said } = started(['run', file], [], { TMPDIR: scratch });
    await until(async () => (await readdir(scratch)).length !== 0);
    const cells = await cellsOf(child);
    child.kill(signal);
    expect((await said).code).toBe(expected);
    expect(await readdir(scratch)).toEqual([]);
    // They have been killed; on a busy machine the last of them may take a moment to be gone.
    for (const pid of cells) await until(async () => !(await isAlive(pid)), `cell ${pid} is gone`);
  }

  test.runIf(process.platform === 'linux' && osWall(walls) === 'bubblewrap')(
    'takes its cells along even when it is killed outright, with a guest on the CPU',
    async () => {
      const file = await using(`{ name: 'a', ceilings: { crank_cpu_ms: 10000 }, run() { for (;;); } }`);
      const scratch = await temporary();
      const { child, said } = started(['run', file], [], { TMPDIR: scratch });
      const cells = await cellsOf(child);
      expect(cells).not.toEqual([]);
      child.kill('SIGKILL');
      await said;
      for (const pid of cells) await until(async () => !(await isAlive(pid)), `cell ${pid} is gone`);
    },
  );
});

test('help has an example for every command', async () => {
  for (const command of ['run', 'demo', 'doctor']) {
    const { code, out } = await corral(command, '--help');
    expect([code, out]).toEqual([0, expect.stringMatching(/Example:\n {2}corral /)]);
  }
  expect(await corral('--help')).toMatchObject({ code: 0, out: expect.stringContaining('Exit codes:') as string });
});

test('pause and resume offer to reach descendants; cancel and kill, which always do, do not', async () => {
  const offers = async (verb: string) => (await corral(verb, '--help')).out.includes('--family');
  expect(await Promise.all(['pause', 'resume', 'cancel', 'kill'].map(offers))).toEqual([true, true, false, false]);
});

test('doctor says which walls stand', async () => {
  const { code, out } = await corral('doctor', '--json');
  expect([code, JSON.parse(out)]).toMatchObject([0, { ok: true, wall: osWall(walls) ?? null }]);
  // Behind a stronger wall a weaker one may be off: no fault.
  const strict = await corral('doctor', '--strict');
  expect(strict.out).not.toMatch(/✗ .*not needed/);
  // Marked lines decide the exit code only where that was asked for.
  expect(strict.code).toBe(/^✗/m.test(strict.out) ? 1 : 0);
  expect(JSON.parse(out).faults.length > 0).toBe(/^✗/m.test(strict.out));
  const alone = await started(['doctor'], [], { PATH: tmpdir() }).said;
  expect(alone.out).toMatch(process.getuid?.() === 0 ? /two walls: the isolate, then another user/ : /one wall/);
});

/** Every process below another, as /proc has them. */
async function childrenOf(pid: number): Promise<number[]> {
  if (process.platform !== 'linux') return [];
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const direct = text.split(' ').filter(Boolean).map(Number);
  return [...direct, ...(await Promise.all(direct.map((one) => childrenOf(one)))).flat()];
}

/** The processes below a command, once one of them has computed longer than any takes to start: it has a guest on the CPU. */
async function cellsOf({ pid }: ChildProcess): Promise<number[]> {
  let found: number[] = [];
  // Elsewhere there is no /proc to find them by.
  if (process.platform !== 'linux') await realTime(1500, 'a cell that computes, where there is no /proc');
  else {
    await until(async () => {
      found = await childrenOf(pid as number);
      const computed = await Promise.all(found.map(computedTicks));
      return computed.some((ticks) => ticks > BUSY_TICKS);
    }, 'a cell computes');
  }
  return found;
}

/** A second of CPU time. */
const BUSY_TICKS = 100;

async function computedTicks(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  return Number(stat.slice(stat.lastIndexOf(')')).split(' ')[12] ?? 0);
}

/** Whether a process still runs; one that only waits to be reaped does not. */
async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined);
  return stat !== undefined && !/\) [ZX] /.test(stat);
}
