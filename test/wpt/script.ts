/**
 * Makes the script that is evaluated for one file of web-platform-tests, in an isolate and in Node alike: the harness, the scripts that the
 * file names, the file, and what a server of these tests would give it, which is an address and the files beside it.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

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

export interface Script {
  readonly text: string;
  /** Whether the file or one of its scripts names `fetch`. */
  readonly fetches: boolean;
}

/** All that the harness asks of its surroundings: the end of the file is told, and no test has a time limit of its own. */
const SETUP = `setup({ explicit_done: true, explicit_timeout: true });
  add_completion_callback((tests, status) => globalThis.wptDone({ status: status.status, message: status.message, tests: tests.map(({ name, status, message }) => ({ name, status, message })) }));`;

const ORIGIN = 'http://web-platform.test:8000';

/**
 * Globals of a worker, which the harness and the tests look for. Addresses of requests are relative to that of the file: the symbol is how
 * undici is told so, from which both Node and the image of an isolate have their classes.
 * @param files contents by path below the root, which `fetch` answers
 */
const globalsOf = (file: string, files: Readonly<Record<string, string>>): string => `
  globalThis.self = globalThis; globalThis.GLOBAL = { isWindow: () => false, isWorker: () => true, isShadowRealm: () => false };
  if (typeof URL === 'function') {
    globalThis.location = new URL(${JSON.stringify(`${ORIGIN}/${file}`)});
    globalThis[Symbol.for('undici.globalOrigin.1')] = globalThis.location;
    const files = new Map(Object.entries(${JSON.stringify(files)})), beyond = globalThis.fetch;
    if (typeof beyond === 'function') globalThis.fetch = async (...given) => {
      const at = typeof given[0] === 'string' ? URL.parse(given[0], globalThis.location) : null;
      const text = at?.origin === globalThis.location.origin ? files.get(at.pathname.slice(1)) : undefined;
      return text === undefined ? beyond(...given) : new Response(text);
    };
  }`;

/** Files below the root that a script names in a string. */
function filesIn(root: string, folder: string, scripts: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [, , path = ''] of scripts.join('\n').matchAll(/(["'`])([\w./-]+\.(?:json|txt|py|html|xml))\1/g)) {
    const at = path.startsWith('/') ? join(root, path) : join(root, folder, path);
    if (existsSync(at) && statSync(at).isFile()) found[relative(root, at)] = readFileSync(at, 'utf8');
  }
  return found;
}

/**
 * @param root a folder with `resources/testharness.js` and the folders of tests @param file below it
 * @throws if a script that the file names is not there
 */
export function scriptOf(root: string, file: string): Script {
  const read = (path: string) => readFileSync(path, 'utf8');
  const text = read(join(root, file));
  const scripts = metaOf(text).scripts.map((path) => read(path.startsWith('/') ? join(root, path) : join(root, dirname(file), path)));
  const own = [...scripts, text];
  const fetches = own.some((one) => /\bfetch\b/.test(one));
  const globals = globalsOf(file, fetches ? filesIn(root, dirname(file), own) : {});
  return { text: [globals, read(join(root, 'resources/testharness.js')), SETUP, ...own, 'done();'].join('\n;\n'), fetches };
}

/** What `wptDone` is told. */
export interface Told {
  readonly status: number;
  readonly message: string | null;
  readonly tests: readonly { readonly name: string; readonly status: number; readonly message: string | null }[];
}

/** Results of the tests of one file. */
export interface FileResult {
  readonly file: string;
  /** Names of those that passed; none where the file did not load. */
  readonly passed: readonly string[];
  readonly failed: readonly { readonly name: string; readonly message: string }[];
  /** Why the file did not end, or could not be loaded. */
  readonly broken?: string;
}

export function resultOf({ status, message, tests }: Told): Omit<FileResult, 'file'> {
  const failed = tests.filter((one) => one.status !== 0).map(({ name, message: why }) => ({ name, message: why ?? 'it failed' }));
  const passed = tests.filter((one) => one.status === 0).map(({ name }) => name);
  return { passed, failed, ...(status === 0 ? {} : { broken: message ?? `harness status ${status}` }) };
}

export const broken = (file: string, why: string): FileResult => ({ file, passed: [], failed: [], broken: why.slice(0, 300) });
