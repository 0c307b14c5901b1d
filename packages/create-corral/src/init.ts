/**
 * Makes a folder with a first agent, or adds one to an existing repository: new files, and names in its package.json that were free.
 * Nothing that is there is changed or overwritten.
 */
import { existsSync } from 'node:fs';
import { lstat, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { filesOf, json, NEW_FOLDER, scriptsOf } from './templates.ts';

/** A refusal in one sentence. Nothing was written. */
export class InitRefused extends Error {}

export interface InitOptions {
  readonly folder: string;
  /** The version of Corral's packages. */
  readonly version: string;
  /** A folder with Corral's packages as tarballs, if they do not come from the registry. */
  readonly tarballs?: string | undefined;
  /** False: the packages are linked into the folder, and package.json does not name them. */
  readonly dependencies?: boolean;
  /** The Node by which the folder will be used: an older one than Corral needs gets a newer one beside it. */
  readonly node: string;
}

export interface Initialised {
  /** Paths of the new files, relative to the folder. */
  readonly files: readonly string[];
  /** Names of the scripts in package.json, by what they do: `{ test: 'corral:test' }`. */
  readonly scripts: Readonly<Record<string, string>>;
  /** Whether there was a package.json before. */
  readonly existing: boolean;
  /** Whether the repository's own tsconfig.json has no `include`, and so takes in the agents. */
  readonly included: boolean;
}

interface Manifest {
  type?: string;
  scripts?: Record<string, string>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  [name: string]: unknown;
}

const OURS = { dependencies: ['corral', '@corral/guest'], devDependencies: ['@corral/testing'] } as const;
const OTHERS = {
  dependencies: { zod: '^4.6.7' },
  devDependencies: { '@types/node': '>=24.12.0', typescript: '^5.9.0 || ^7.0.0' },
} as const;

/**
 * Packages below `corral` that have install scripts and work without them. npm names each that nobody has decided about, at every
 * installation; in an existing repository that decision is left to its owner, who may have them for reasons of their own.
 */
const WITHOUT_SCRIPTS = ['esbuild', 'isolated-vm', 'msgpackr-extract'];

/** Whether Corral runs on a Node: `24.12.0` and later of that line, or 26. The cell's binaries are made for these two lines. */
export function runsOn(version: string): boolean {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  return major === 26 || (major === 24 && minor >= 12);
}

/** @throws InitRefused if a file is in the way, or the folder is neither new nor a package */
export async function init(options: InitOptions): Promise<Initialised> {
  const { folder } = options;
  if ((await lstat(folder).catch(() => undefined))?.isFile() === true)
    throw new InitRefused(`${folder} is a file; name a new folder, or one with a package.json.`);
  const there = existsSync(folder) ? await readdir(folder) : [];
  const existing = there.includes('package.json');
  if (!existing && there.some((name) => name !== '.git'))
    throw new InitRefused(`${folder} is not empty and has no package.json. Name a new folder, or run npm init there first.`);
  const manifestFile = join(folder, 'package.json');
  const kind = existing ? await lstat(manifestFile) : undefined;
  if (kind?.isSymbolicLink() === true)
    throw new InitRefused(`${manifestFile} is a link, and what it leads to would be changed; nothing was written.`);
  if (kind?.isFile() === false) throw new InitRefused(`${manifestFile} is not a file; nothing was written.`);
  const text = existing ? await readFile(manifestFile, 'utf8') : undefined;
  const manifest = text === undefined ? fresh(folder) : parse(manifestFile, text);
  // A file that ends in .ts belongs to a package of CommonJS unless package.json says "module".
  const modules = manifest.type === 'module';
  const names = { config: modules ? 'corral.config.ts' : 'corral.config.mts' };
  const files = {
    ...filesOf(names),
    ...(modules ? {} : { 'agents/package.json': json({ private: true, type: 'module' }) }),
    ...(existing ? {} : NEW_FOLDER),
  };
  const inTheWay = [
    ...new Set((await Promise.all(Object.keys(files).map((path) => obstacleOf(folder, path)))).flatMap((one) => one ?? [])),
  ];
  if (inTheWay.length > 0)
    throw new InitRefused(
      `${inTheWay.join(', ')} ${inTheWay.length === 1 ? 'is' : 'are'} there already; nothing is overwritten and nothing was written.`,
    );
  const scripts = addScripts(manifest, scriptsOf(names));
  if (options.dependencies !== false) addDependencies(manifest, options);
  if (!existing) manifest['allowScripts'] = Object.fromEntries(WITHOUT_SCRIPTS.map((name) => [name, false]));
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content, { flag: 'wx' });
  }
  const mark = text?.startsWith(BYTE_ORDER_MARK) === true ? BYTE_ORDER_MARK : '';
  await writeFile(manifestFile, `${mark}${json(manifest, indentOf(text))}`);
  return {
    files: [...Object.keys(files), ...(existing ? [] : ['package.json'])],
    scripts,
    existing,
    included: existing && (await takesAll(join(folder, 'tsconfig.json'))),
  };
}

/**
 * Finds the obstacle of a new file, as a path in the folder: the file itself, or a parent that is not a folder. A link is never followed: in
 * somebody else's repository it may lead out of it.
 */
async function obstacleOf(folder: string, path: string): Promise<string | undefined> {
  const parts = path.split('/');
  for (let n = 1; n <= parts.length; n++) {
    const named = parts.slice(0, n).join('/');
    const found = await lstat(join(folder, named)).catch(() => undefined);
    if (found === undefined) return undefined;
    if (n === parts.length || !found.isDirectory()) return named;
  }
  return undefined;
}

function fresh(folder: string): Manifest {
  const name = basename(folder)
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]/g, '-')
    .replace(/^[^a-z0-9]+/, '');
  return { name: name === '' ? 'agents' : name, private: true, type: 'module' };
}

/** Editors of Windows begin files with it, and npm reads such a package.json. */
const BYTE_ORDER_MARK = '\uFEFF';

/** Members of package.json that are objects of texts, if they are there. */
const TABLES = ['scripts', 'dependencies', 'devDependencies', 'peerDependencies', 'optionalDependencies'] as const;

function parse(file: string, text: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text);
  } catch (error) {
    throw new InitRefused(`${file} is not JSON, which has no comments and no commas at an end: ${messageOf(error)}; nothing was written.`);
  }
  if (!isTable(value)) throw new InitRefused(`${file} is not a JSON object; nothing was written.`);
  for (const name of TABLES) {
    const table = value[name];
    if (table === undefined) continue;
    if (!isTable(table)) throw new InitRefused(`${name} of ${file} is ${JSON.stringify(table)}, and not an object; nothing was written.`);
    for (const [key, one] of Object.entries(table))
      if (typeof one !== 'string')
        throw new InitRefused(`${name}.${key} of ${file} is ${JSON.stringify(one)}, and not text; nothing was written.`);
  }
  return value;
}

const isTable = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const indentOf = (text: string | undefined): string | number => /^\uFEFF?\{\r?\n([ \t]+)"/.exec(text ?? '')?.[1] ?? 2;

/** A script whose name is taken is added as `corral:NAME`. @returns the names that were used */
function addScripts(manifest: Manifest, wanted: Readonly<Record<string, string>>): Record<string, string> {
  const scripts = (manifest.scripts ??= {});
  const used: Record<string, string> = {};
  for (const [name, command] of Object.entries(wanted)) {
    // `npm init` writes a test that only fails.
    const taken = scripts[name] !== undefined && !scripts[name].includes('no test specified');
    const free = [name, `corral:${name}`].find(
      (each, i) => scripts[each] === undefined || (i === 0 && !taken) || scripts[each] === command,
    );
    if (free === undefined) throw new InitRefused(`package.json has scripts ${name} and corral:${name} already; nothing was written.`);
    scripts[free] = command;
    used[name] = free;
  }
  return used;
}

/** A package of Corral comes from where `corral` itself does: a folder of tarballs, or the registry. */
function sourceOf(manifest: Manifest, { version, tarballs }: InitOptions): (name: string) => string {
  const file = (name: string) => `${name.replace('@', '').replace('/', '-')}-${version}.tgz`;
  const own = manifest.dependencies?.['corral'] ?? manifest.devDependencies?.['corral'] ?? '';
  const folder =
    tarballs ?? (own.startsWith('file:') && own.endsWith(`/${file('corral')}`) ? dirname(own.slice('file:'.length)) : undefined);
  return (name) => (folder === undefined ? version : `file:${folder}/${file(name)}`);
}

function addDependencies(manifest: Manifest, options: InitOptions): void {
  const named = new Set(
    ['dependencies', 'devDependencies', 'peerDependencies', 'optionalDependencies'].flatMap((kind) => Object.keys(manifest[kind] ?? {})),
  );
  const source = sourceOf(manifest, options);
  const ours = (name: string) => [name, source(name)] as const;
  const wanted = {
    dependencies: [...OURS.dependencies.map((name) => ours(name)), ...Object.entries(OTHERS.dependencies)],
    devDependencies: [
      ...OURS.devDependencies.map((name) => ours(name)),
      ...(runsOn(options.node) ? [] : [ours('@corral/node')]),
      ...Object.entries(OTHERS.devDependencies),
    ],
  };
  for (const kind of ['dependencies', 'devDependencies'] as const) {
    const missing = wanted[kind].filter(([name]) => !named.has(name));
    if (missing.length === 0) continue;
    manifest[kind] = Object.fromEntries(
      [...Object.entries(manifest[kind] ?? {}), ...missing].toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
    );
  }
}

async function takesAll(tsconfig: string): Promise<boolean> {
  const text = await readFile(tsconfig, 'utf8').catch(() => undefined);
  return text !== undefined && !/"(?:include|files|extends|references)"\s*:/.test(text);
}

/** The longest is `npm run corral:check`. */
const WIDE = 20;

/** The next steps, as lines. @param home the folder as it was named */
export function nextSteps({ existing, scripts, included }: Initialised, home: string, install = true): string {
  const folder = relative(process.cwd(), home);
  const run = (name: string) => (scripts[name] === 'test' ? 'npm test' : `npm run ${scripts[name] ?? name}`);
  return [
    'Next:',
    ...(folder === '' || existing ? [] : [`  cd ${folder}`]),
    ...(install ? ['  npm install'] : []),
    `  ${run('test').padEnd(WIDE)} # the agent in a real isolate, with fakes for its tools`,
    `  ${run('dev').padEnd(WIDE)} # runs it at every save; the tools of the configuration are real`,
    `  ${run('check').padEnd(WIDE)} # types, configuration and policies`,
    `  ${'npx corral up'.padEnd(WIDE)} # a host; in another terminal: npx corral deploy agents/buyer.ts`,
    ...(included ? ['', 'tsconfig.json has no "include", so it takes in the agents as well: add "exclude": ["agents"] to it.'] : []),
  ].join('\n');
}
