/**
 * Runs a task of this repository on a machine that has nothing but some Node from 20 up and npm: installs what is missing,
 * builds what is stale, then hands over to the Node that came with the dependencies.
 *
 * This file alone must run on an old Node, so it is plain JavaScript without imports from the project.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const inRoot = (...parts) => join(root, ...parts);
const [task, ...args] = process.argv.slice(2);

/** Tests that are long by nature have a tag: without a filter of its own, `npm test` leaves them out. */
const shorter = args.some((arg) => /^--tags-?filter/i.test(arg)) ? [] : ['--tags-filter', '!long'];

const TASKS = {
  demo: () => [inRoot('packages/cli/src/main.ts'), 'demo', ...args],
  corral: () => [inRoot('packages/cli/src/main.ts'), ...args],
  test: () => [inRoot('node_modules/vitest/vitest.mjs'), 'run', ...shorter, ...args],
  long: () => [inRoot('scripts/long.ts'), ...args],
  frameworks: () => [inRoot('scripts/frameworks.ts'), ...args],
  bench: () => ['--no-node-snapshot', inRoot('test/bench/main.ts'), ...args],
  chaos: () => ['--no-node-snapshot', inRoot('test/e2e/chaos/main.ts'), ...args],
  escape: () => ['--no-node-snapshot', inRoot('test/escape/main.ts'), ...args],
  release: () => [inRoot('scripts/release.ts'), ...args],
  pack: () => [inRoot('scripts/pack.ts'), ...args],
  eval: () => ['--no-node-snapshot', inRoot('test/evals/main.ts'), ...args],
  scoreboard: () => ['--no-node-snapshot', inRoot('test/hostile/scoreboard/main.ts'), ...args],
  sim: () => ['--no-node-snapshot', inRoot('test/sim/main.ts'), ...args],
  wpt: () => ['--no-node-snapshot', inRoot('test/wpt/main.ts'), ...args],
};

/** Files that a host needs besides its sources, each with the folders that it is made of. */
const BUILDS = [
  {
    what: 'the sandbox image',
    outputs: ['packages/cell/dist/main.js', 'sandbox-images/base/dist/image.json'],
    sources: ['packages/cell', 'packages/guest', 'packages/protocol', 'sandbox-images/base'],
    scripts: ['packages/cell/build.ts', 'sandbox-images/base/build.ts'],
  },
  {
    what: 'the console',
    outputs: ['packages/console/dist/index.html'],
    sources: ['packages/console'],
    scripts: ['packages/console/build.ts'],
  },
];

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 100;

if (!(task in TASKS)) fail(`with-dependencies.mjs takes one of ${Object.keys(TASKS).join(', ')}.`);
if (Number(process.versions.node.split('.')[0]) < 20)
  fail(`This is Node ${process.versions.node}; Corral needs some Node from 20 up to install its own.`);

await install();
const node = findNode();
build(node);
run(node, TASKS[task]());

function fail(message) {
  console.error(message);
  process.exit(3);
}

/** Time in a message only where it took long enough to be noticed. */
function step(what, work) {
  process.stderr.write(`${what} …`);
  const began = Date.now();
  work();
  process.stderr.write(` ${((Date.now() - began) / 1000).toFixed(1)} s\n`);
}

/** A step that takes long: in a terminal its line moves and says how long it has taken, so that nobody takes it for one that hangs. */
async function longStep(what, work) {
  const { stderr } = process;
  const began = Date.now();
  const seconds = (digits) => ((Date.now() - began) / 1000).toFixed(digits);
  let frame = 0;
  const draw = () => stderr.write(`\r${FRAMES[frame++ % FRAMES.length]} ${what} … ${seconds(0)} s`);
  if (!stderr.isTTY) stderr.write(`${what} …`);
  const timer = stderr.isTTY ? setInterval(draw, FRAME_MS) : undefined;
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  stderr.write(stderr.isTTY ? `\r\u001b[K${what} … ${seconds(1)} s\n` : ` ${seconds(1)} s\n`);
}

/** Runs a program to its end. @returns its exit code and what it wrote */
function finished(program, args, options) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text));
    child.on('error', (error) => resolve({ code: 1, said: error.message }));
    child.on('close', (code) => resolve({ code, said }));
  });
}

/** npm leaves a copy of what it installed; when it still says the same as the lock file, there is nothing to do. */
async function install() {
  const wanted = packagesOf(inRoot('package-lock.json'));
  const have = packagesOf(inRoot('node_modules/.package-lock.json'));
  const missing = Object.entries(wanted).some(
    ([path, { version, optional, link }]) =>
      path.startsWith('node_modules/') &&
      !link &&
      // Packages for other platforms are left out.
      (!optional || have[path] !== undefined) &&
      have[path]?.version !== version,
  );
  if (!missing && platformNode() !== undefined) {
    link(wanted);
    return;
  }
  const windows = process.platform === 'win32';
  await longStep('installing dependencies', async () => {
    const options = { cwd: root, shell: windows };
    const { code, said } = await finished(windows ? 'npm.cmd' : 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], options);
    if (code !== 0) fail(`\nnpm ci failed:\n${said}`);
  });
}

/** A package of this repository that is newer than the last install needs a link and no more. */
function link(wanted) {
  for (const [path, { link: linked, resolved }] of Object.entries(wanted)) {
    if (!linked || existsSync(inRoot(path))) continue;
    mkdirSync(dirname(inRoot(path)), { recursive: true });
    const target = process.platform === 'win32' ? inRoot(resolved) : relative(dirname(inRoot(path)), inRoot(resolved));
    symlinkSync(target, inRoot(path), process.platform === 'win32' ? 'junction' : 'dir');
  }
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
  } catch {
    return {};
  }
}

function platformNode() {
  const file = inRoot('node_modules/.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
  return existsSync(file) ? file : undefined;
}

/** The Node that came with the dependencies, or this one where it is new enough. */
function findNode() {
  const bundled = platformNode();
  if (bundled !== undefined) return bundled;
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major === 26 || (major === 24 && minor >= 12)) return process.execPath;
  fail(
    `There is no Node 26 for ${process.platform}-${process.arch} in the registry, and this is Node ${process.versions.node}. Run it with Node 24.12 or later, or 26.`,
  );
}

/** Each is built when a source of it is newer than it is. */
function build(node) {
  const installed = timeOf(inRoot('node_modules/.package-lock.json'));
  for (const { what, outputs, sources, scripts } of BUILDS) {
    const newest = Math.max(...sources.map((folder) => newestIn(inRoot(folder))), installed);
    if (outputs.every((file) => timeOf(inRoot(file)) > newest)) continue;
    step(`building ${what}`, () => {
      for (const script of scripts) {
        const built = spawnSync(node, [inRoot(script)], { cwd: root, encoding: 'utf8', shell: process.platform === 'win32' });
        if (built.status !== 0) fail(`\n${script} failed:\n${built.stderr}`);
      }
    });
  }
}

function timeOf(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

function newestIn(folder) {
  let newest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name === 'node_modules' || entry.name === 'dist' || entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    newest = Math.max(newest, entry.isDirectory() ? newestIn(path) : timeOf(path));
  }
  return newest;
}

/** Hands over: same terminal, same signals, same exit code. */
function run(node, command) {
  const path = `${inRoot('node_modules/.bin')}${process.platform === 'win32' ? ';' : ':'}${process.env.PATH ?? ''}`;
  // A test or a simulation starts hundreds of processes from the same sources: each is compiled once.
  const cache = process.env.NODE_COMPILE_CACHE ?? inRoot('node_modules/.cache/node');
  const child = spawn(node, command, {
    stdio: 'inherit',
    env: { ...process.env, PATH: path, NODE_COMPILE_CACHE: cache },
    shell: process.platform === 'win32',
  });
  // The terminal sends its signals to the whole group; this process only waits for its child to have dealt with them.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 128 + 15));
}
