/**
 * Runs one file of web-platform-tests (`*.any.js`) in an isolate, as an agent. Nothing is simulated: its timers are effects, which come
 * back in the order in which they are due.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { needsOf } from '@corral/guest/abi';
import { CachedScript, type SandboxImage } from '@corral/cell/image';
import { Fault, Session } from '@corral/cell/session';

/** Results of the tests of one file. */
export interface FileResult {
  readonly file: string;
  /** How many tests passed; none where the file did not load. */
  readonly passed: number;
  readonly failed: readonly { readonly name: string; readonly message: string }[];
  /** Why the file did not end, or could not be loaded. */
  readonly broken?: string;
}

const AT = Date.UTC(2026, 0, 1);
const CPU_US = 10_000_000;
/** Cranks of one file. One that waits for more than its timers bring has hung. */
const CRANKS = 5_000;

/** Values of the lines `// META: script=…` and `// META: global=…` of a file. */
function metaOf(text: string): { readonly scripts: readonly string[]; readonly globals: readonly string[] } {
  const scripts: string[] = [];
  let globals: string[] = [];
  for (const [, name, value = ''] of text.matchAll(/^\/\/ META: (\w+)=(.*)$/gm)) {
    if (name === 'script') scripts.push(value.trim());
    if (name === 'global') globals = value.trim().split(',');
  }
  return { scripts, globals };
}

/** Whether a file is for what an isolate comes closest to: a page, a worker of one page, or a realm. One that names nothing is for these. */
export function isForUs(text: string): boolean {
  const { globals } = metaOf(text);
  return globals.length === 0 || globals.some((one) => ['window', 'worker', 'dedicatedworker', 'shadowrealm'].includes(one));
}

/** @param root a folder with `resources/testharness.js` and the folders of tests @param file below it */
export function runFile(root: string, file: string, image: SandboxImage): FileResult {
  const read = (path: string) => readFileSync(path, 'utf8');
  const text = read(join(root, file));
  let scripts: string[];
  try {
    scripts = metaOf(text).scripts.map((path) => read(path.startsWith('/') ? join(root, path) : join(root, dirname(file), path)));
  } catch (error) {
    return { file, passed: 0, failed: [], broken: (error as Error).message };
  }
  const source = agentOf([read(join(root, 'resources/testharness.js')), SETUP, ...scripts, text, 'done();']);
  try {
    return { file, ...resultsOf(source, image) };
  } catch (error) {
    const why = error instanceof Fault ? `${error.payload.fault}: ${error.payload.message}` : (error as Error).message;
    return { file, passed: 0, failed: [], broken: why.slice(0, 300) };
  }
}

/** All that the harness asks of its surroundings: the end of the file is told, and no test has a time limit of its own. */
const SETUP = `setup({ explicit_done: true, explicit_timeout: true });
  add_completion_callback((tests, status) => globalThis.wptDone({ status: status.status, message: status.message, tests: tests.map(({ name, status, message }) => ({ name, status, message })) }));`;

/** Globals of a worker, which the harness looks for. */
const GLOBALS = `globalThis.self = globalThis; globalThis.GLOBAL = { isWindow: () => false, isWorker: () => true, isShadowRealm: () => false };`;

function agentOf(scripts: readonly string[]): string {
  const all = JSON.stringify(scripts.join('\n;\n'));
  const body = `(resolve, reject) => { ${GLOBALS} globalThis.wptDone = resolve; try { (0, eval)(${all}) } catch (error) { reject(error) } }`;
  const options = `{ name: 'wpt', run: () => new Promise(${body}) }`;
  return `var corralBundle = (() => { const options = ${options}; return { default: { ...options, [Symbol.for('corral.agent')]: options } }; })();`;
}

interface Told {
  readonly status: number;
  readonly message: string | null;
  readonly tests: readonly { readonly name: string; readonly status: number; readonly message: string | null }[];
}

function resultsOf(source: string, image: SandboxImage): Omit<FileResult, 'file'> {
  const session = new Session({
    image,
    bundle: new CachedScript(source, 'agent.js'),
    config: {
      agent: 'wpt',
      at: AT,
      seed: '5eed'.repeat(16),
      message_bytes: 4_000_000,
      log_bytes: 4_000_000,
      effects_per_crank: 10_000,
      effects_bytes: 16_000_000,
      ...needsOf(source),
    },
    memory_mib: 256,
    load_cpu_us: CPU_US,
  });
  try {
    let now = AT;
    const timers = new Map<number, number>();
    let delivery: object = { kind: 'start', run: 'run_000000000000', input: {}, caps: {}, budget: { cpu_ms: 100_000 } };
    for (let crank = 0; crank < CRANKS; crank++) {
      const effects = JSON.parse(session.crank(JSON.stringify({ at: now, ...delivery }), CPU_US)) as Record<string, unknown>[];
      for (const effect of effects) {
        if (effect['kind'] === 'timer') timers.set(effect['id'] as number, now + (effect['ms'] as number));
        else if (effect['kind'] === 'abort') timers.delete(effect['id'] as number);
        else if (effect['kind'] === 'finish') return ended(effect);
      }
      const next = [...timers].reduce<[number, number] | undefined>(
        (best, one) => (best === undefined || one[1] < best[1] ? one : best),
        undefined,
      );
      if (next === undefined) return { passed: 0, failed: [], broken: 'it waits for something that does not come' };
      timers.delete(next[0]);
      now = Math.max(now, next[1]);
      delivery = { kind: 'timer', id: next[0] };
    }
    return { passed: 0, failed: [], broken: `it did not end in ${CRANKS} cranks` };
  } finally {
    session.dispose();
  }
}

function ended({ error, output }: Record<string, unknown>): Omit<FileResult, 'file'> {
  if (error !== undefined) return { passed: 0, failed: [], broken: (error as { readonly message: string }).message };
  const { status, message, tests } = output as Told;
  const failed = tests.filter((one) => one.status !== 0).map(({ name, message: why }) => ({ name, message: why ?? 'it failed' }));
  return { passed: tests.length - failed.length, failed, ...(status === 0 ? {} : { broken: message ?? `harness status ${status}` }) };
}
