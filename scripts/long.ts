/**
 * `npm run test:long [-- [--slice [--seconds N]] [NAME…]]`: what is long by nature, one after the other, whole or as a slice that fits into
 * what has to pass before a change is taken. All are run, also after one has failed; the exit code is 1 if any did.
 *
 * With `--seconds` slices are run until that time is over. On a slow machine it is over before all had their turn, so the first one follows
 * from the commit; the end names those that were cut off or left out, and they do not count as failed.
 */
import { execFileSync, spawn } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

interface Long {
  readonly what: string;
  readonly whole: readonly string[];
  /** Undefined: too long for a slice, or `npm test` has one. */
  readonly slice: readonly string[] | undefined;
  /** Minutes after which it has failed: whole, as a slice. */
  readonly box: readonly [number, number];
}

const PARTS = 12;
const root = fileURLToPath(new URL('..', import.meta.url));
const { values, positionals } = parseArgs({
  options: { slice: { type: 'boolean', default: false }, seconds: { type: 'string' } },
  allowPositionals: true,
});
const over = values.seconds === undefined ? Number.POSITIVE_INFINITY : performance.now() + Number(values.seconds) * 1000;
/** Slices follow from the commit, so that each change tries seeds and parts that no other has. */
const commit = Number.parseInt(execFileSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' }).slice(0, 12), 16);

const sim = (...args: string[]) => ['--no-node-snapshot', 'test/sim/main.ts', ...args];
const tests = (...args: string[]) => ['node_modules/vitest/vitest.mjs', 'run', '--config', 'vitest.long.config.ts', ...args];
/** The files of `npm test` in which some test has the tag, by the beginnings of their paths, and those tests; as a slice, a part of the files. */
const tagged = (...folders: string[]): Pick<Long, 'whole' | 'slice'> => {
  const files = globSync('{packages/*/src,test}/**/*.test.ts', { cwd: root })
    .filter((file) => folders.some((folder) => file.startsWith(folder)))
    .filter((file) => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8').match(/tags: 'long'|eachOrLong/));
  // vitest's own shards cannot be more than there are files.
  const parts = Math.min(PARTS, files.length);
  const run = (some: readonly string[]) => ['node_modules/vitest/vitest.mjs', 'run', '--tags-filter', 'long', ...some];
  return { whole: run(files), slice: run(files.filter((_, at) => at % parts === commit % parts)) };
};
const hostile = (...args: string[]) => ['--no-node-snapshot', 'test/hostile/scoreboard/main.ts', ...args];
const LONG: Readonly<Record<string, Long>> = {
  stories: { what: 'the seeds that once broke an invariant', whole: sim('--stories'), slice: sim('--stories'), box: [10, 5] },
  seeds: {
    what: 'simulated worlds that nobody has tried',
    whole: sim('--minutes', '10'),
    slice: sim('--minutes', '1', '--from', String(commit)),
    box: [15, 4],
  },
  planted: {
    what: 'bugs that were put in on purpose',
    whole: tests('test/sim'),
    slice: tests('test/sim', '-t', 'a bug that'),
    box: [120, 6],
  },
  fuzz: { what: 'the front door, asked for everything', whole: tests('test/fuzz'), slice: undefined, box: [20, 4] },
  tampering: {
    what: 'everything that an agent can replace, one property at a time',
    whole: tests('packages/cell'),
    slice: undefined,
    box: [20, 4],
  },
  parts: {
    what: 'the parts that read what strangers wrote, by coverage',
    whole: ['--no-node-snapshot', 'test/fuzz/main.ts', '--seconds', '120'],
    slice: ['--no-node-snapshot', 'test/fuzz/main.ts', '--seconds', '10'],
    box: [15, 4],
  },
  oracle: { what: 'Cedar’s engine against the closures', whole: tests('packages/policy'), slice: undefined, box: [10, 4] },
  chaos: {
    what: 'hosts and cells killed at random',
    whole: ['--no-node-snapshot', 'test/e2e/chaos/main.ts'],
    slice: ['--no-node-snapshot', 'test/e2e/chaos/main.ts', '--runs', '40', '--kills', '12'],
    box: [60, 4],
  },
  outside: {
    what: 'the packages, installed and used from other folders, with the registry that npm is configured with',
    whole: tests('test/e2e/outside'),
    slice: tests('test/e2e/outside'),
    box: [30, 10],
  },
  hostile: {
    what: 'hostile guests on a real host; whole, their times are judged too',
    whole: hostile(),
    slice: hostile('--slice', '10', '--lenient', '--seed', String(commit)),
    box: [60, 6],
  },
  heap: { what: 'runs that fill a small heap, ten times over', whole: tests('test/hostile'), slice: undefined, box: [90, 4] },
  flood: { what: 'six times as many runs at once as npm test has', whole: tests('test/integration'), slice: undefined, box: [10, 4] },
  frameworks: {
    what: 'agents in the frameworks of others, from the registry that npm is configured with: docs/frameworks.md',
    whole: tests('test/frameworks'),
    slice: undefined,
    box: [90, 4],
  },
  streams: {
    what: 'hosts and cells killed in the middle of streams and tools',
    whole: tests('test/e2e/streamed'),
    slice: undefined,
    box: [30, 4],
  },
  calls: {
    what: 'hosts, cells and MCP servers killed in the middle of calls',
    whole: tests('test/e2e/calls-killed'),
    slice: undefined,
    box: [30, 4],
  },
  commands: { what: 'the long tests of the command line', ...tagged('test/e2e'), box: [60, 6] },
  doors: { what: 'the long tests of the front door', ...tagged('test/api', 'test/fuzz'), box: [30, 6] },
  hosts: { what: 'the long tests of whole hosts', ...tagged('test/integration', 'test/conformance'), box: [30, 6] },
  walls: { what: 'the long tests of hostile guests and of the walls', ...tagged('test/hostile', 'test/escape'), box: [30, 6] },
  pages: { what: 'the long tests of the console, in a browser', ...tagged('test/console'), box: [40, 6] },
  modules: { what: 'the long tests of single modules', ...tagged('packages'), box: [20, 6] },
  soak: {
    what: 'mixed work on a host that is stopped again and again',
    whole: ['--no-node-snapshot', 'test/bench/main.ts', 'soak', '--minutes', '20', '--every', '3'],
    slice: ['--no-node-snapshot', 'test/bench/main.ts', 'soak', '--minutes', '1.5', '--every', '0.5'],
    box: [40, 6],
  },
};

const unknown = positionals.find((name) => !(name in LONG));
if (unknown !== undefined) {
  console.error(`There is no ${unknown}. There are: ${Object.keys(LONG).join(', ')}.`);
  process.exit(2);
}
/** Time that a command which is cut off has to end its own processes. Milliseconds. */
const GRACE_MS = 5_000;
const INTERRUPTS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Runs a command in a process group of its own, so that nothing of it is left when it is cut off: an installation runs on by itself. */
async function finished(command: readonly string[], most_ms: number) {
  const child = spawn(process.execPath, command, {
    cwd: root,
    stdio: 'inherit',
    detached: true,
    env: { ...process.env, ...(values.slice ? { CORRAL_PART: `${1 + (commit % PARTS)}/${PARTS}` } : {}) },
  });
  const end = (signal: NodeJS.Signals) => {
    try {
      process.kill(-(child.pid as number), signal);
    } catch {
      // The whole group has ended.
    }
  };
  const interrupted = () => {
    end('SIGTERM');
    process.exit(130);
  };
  for (const name of INTERRUPTS) process.once(name, interrupted);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    end('SIGTERM');
    setTimeout(() => end('SIGKILL'), GRACE_MS).unref();
  }, most_ms);
  const [status, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (...how) => resolve(how));
  });
  clearTimeout(timer);
  if (late) end('SIGKILL');
  for (const name of INTERRUPTS) process.off(name, interrupted);
  return { status, signal, late };
}

/** Too little time for any slice to begin with. Milliseconds. */
const LEAST_MS = 20_000;
const results: string[] = [];
const asked = Object.entries(LONG).flatMap(([name, { what, whole, slice, box }]) => {
  const command = values.slice ? slice : whole;
  return command === undefined || (positionals.length > 0 && !positionals.includes(name)) ? [] : [{ name, what, command, box }];
});
const first = over === Number.POSITIVE_INFINITY ? 0 : commit % asked.length;
for (const { name, what, command, box } of [...asked.slice(first), ...asked.slice(0, first)]) {
  const began = performance.now();
  const left_ms = over - began;
  if (left_ms < LEAST_MS) {
    results.push(`not run ${name}`);
    continue;
  }
  console.log(`\n== ${name}: ${what}`);
  const box_ms = box[values.slice ? 1 : 0] * 60_000;
  const { status, signal, late } = await finished(command, Math.floor(Math.min(box_ms, left_ms)));
  const took = `${((performance.now() - began) / 1000).toFixed()} s`;
  const cut = left_ms < box_ms && late;
  if (status !== 0 && !cut) process.exitCode = 1;
  const how = cut ? 'cut off' : status === 0 ? 'held   ' : 'FAILED ';
  results.push(`${how} ${name.padEnd(8)} ${took}${signal === null ? '' : `, ended by ${signal}`}`);
}
console.log(`\n${results.join('\n')}`);
