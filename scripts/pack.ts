/**
 * `npm run pack [-- --out FOLDER]`: writes each published package to `dist/packages`, and its tarball to `dist/tarballs`. They
 * contain compiled JavaScript and declarations; the workspace itself goes on running its sources.
 */
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Metafile } from 'esbuild';
import { runsOn } from '../packages/create-corral/src/init.ts';
import { bundleClient, bundleCorral, bundleCreate, bundleGuest } from './pack/bundle.ts';
import { librariesOf, licencesOf } from './pack/licenses.ts';
import { inRoot, libraryVersions, manifestOf, npm, oneVersion, PUBLISHED, type Manifest, type Published } from './pack/packages.ts';
import { collect, emit } from './pack/types.ts';

const { values } = parseArgs({ options: { out: { type: 'string', default: inRoot('dist') }, json: { type: 'boolean', default: false } } });
const out = resolve(values.out);
const version = oneVersion();
const libraries = libraryVersions();
const root = manifestOf('.');

/** The part of a published manifest that the manifest of the workspace does not have. */
type Rest = Readonly<Record<string, unknown>>;

/** Dependencies that the bundles import, with the versions that were tested. */
function imported(metafiles: readonly Metafile[], more: Iterable<string> = []): Record<string, string> {
  const names = new Set(more);
  for (const { outputs } of metafiles)
    for (const { imports } of Object.values(outputs))
      for (const { path, external } of imports)
        if (external === true && !path.startsWith('node:')) names.add(path.split('/', path.startsWith('@') ? 2 : 1).join('/'));
  const known = [...names].filter((name) => libraries.has(name)).sort();
  return Object.fromEntries(known.map((name) => [name, libraries.get(name) as string]));
}

/** Declarations of the whole workspace, from which each package takes its own. */
const emitted = join(out, 'declarations');

const typed = (name: string) => ({ types: `./dist/${name}.d.ts`, default: `./dist/${name}.js` });

/**
 * Nodes on which the commands start. On one that is too old, `corral` goes on with the Node of @corral/node, or says in one sentence what
 * is missing (packages/corral/src/bin.mjs); a warning by npm would be wrong in the first case.
 */
const STARTS_ON = { node: '>=20' };

const MAKERS: Readonly<Record<string, (to: string, published: Published) => Promise<Rest>>> = {
  'packages/node': async () => ({ optionalDependencies: root.optionalDependencies }),

  async 'packages/guest'(to, { entries }) {
    await bundleGuest(join(to, 'dist'));
    const named = declarations(entries, to);
    for (const name of named) if (name !== 'zod') throw new Error(`The types of @corral/guest name ${name}.`);
    copyFileSync(inRoot('packages/guest/globals.d.ts'), join(to, 'globals.d.ts'));
    return {
      exports: { '.': typed('index'), './globals': { types: './globals.d.ts' }, './package.json': './package.json' },
      types: './dist/index.d.ts',
      sideEffects: false,
      peerDependencies: { zod: '^4.0.0' },
      files: ['dist', 'globals.d.ts'],
    };
  },

  async 'packages/corral'(to, { entries }) {
    const metafiles = await bundleCorral(to);
    const named = declarations(entries, to);
    const built = [...librariesOf('packages/cell'), ...librariesOf('sandbox-images/base'), ...librariesOf('packages/console')];
    writeFileSync(join(to, 'LICENSES.txt'), licencesOf(metafiles, built));
    for (const page of PAGES) cpSync(inRoot(page), join(to, page), { recursive: true });
    return {
      bin: { corral: './bin/corral.mjs' },
      exports: {
        './config': typed('config'),
        './testing': typed('testing'),
        './package.json': './package.json',
      },
      engines: STARTS_ON,
      // The cell asks for its addon by itself; the examples have a library of their own; configurations may have no zod.
      dependencies: imported(metafiles, ['@noble/hashes', 'isolated-vm', 'spdx-expression-parse', 'unenv', 'zod', ...named]),
      peerDependencies: { '@corral/node': version },
      peerDependenciesMeta: { '@corral/node': { optional: true } },
      files: ['bin', 'dist', 'docs', 'examples', 'LICENSES.txt'],
    };
  },

  async 'packages/testing'(to) {
    mkdirSync(join(to, 'dist'));
    for (const file of ['index.js', 'index.d.ts']) writeFileSync(join(to, 'dist', file), `export * from 'corral/testing';\n`);
    return {
      exports: { '.': typed('index') },
      types: './dist/index.d.ts',
      engines: STARTS_ON,
      peerDependencies: { corral: version },
      files: ['dist'],
    };
  },

  async 'packages/client'(to, { entries }) {
    await bundleClient(join(to, 'dist'));
    const named = declarations(entries, to);
    return {
      exports: { '.': typed('index'), './node': typed('node') },
      types: './dist/index.d.ts',
      sideEffects: false,
      // The types of requests and answers are zod's; nothing of it is loaded.
      dependencies: imported([], named),
      files: ['dist'],
    };
  },

  async 'packages/create-corral'(to) {
    await bundleCreate(to);
    return { bin: { 'create-corral': './bin/create-corral.mjs' }, engines: STARTS_ON, files: ['bin'] };
  },
};

/** @returns the libraries that the types name */
function declarations(entries: Published['entries'], to: string): ReadonlySet<string> {
  const named = collect(entries, emitted, join(to, 'dist'));
  return new Set([...named].filter((name) => !name.startsWith('node:')));
}

/** Names in the order in which a reader looks for them. */
function manifest(of: Manifest, published: Published, rest: Rest): Record<string, unknown> {
  return {
    name: of.name,
    version,
    description: of.description,
    keywords: published.keywords,
    license: of.license,
    // npm refuses a provenance whose repository is not this one.
    ...(root.repository === undefined ? {} : { repository: root.repository }),
    type: 'module',
    ...rest,
    publishConfig: { access: 'public', provenance: true },
  };
}

async function make(published: Published): Promise<string> {
  const of = manifestOf(published.folder);
  const to = join(out, 'packages', basename(published.folder));
  mkdirSync(to, { recursive: true });
  const maker = MAKERS[published.folder];
  if (maker === undefined) throw new Error(`${published.folder} has no row in scripts/pack.ts.`);
  writeFileSync(join(to, 'package.json'), `${JSON.stringify(manifest(of, published, await maker(to, published)), null, 2)}\n`);
  copyFileSync(inRoot('LICENSE'), join(to, 'LICENSE'));
  writeFileSync(join(to, 'README.md'), readmeOf(published.folder));
  return to;
}

/** The page for those who install a package: one of its own where there is one, else the README without its part for contributors. */
function readmeOf(folder: string): string {
  const own = inRoot(`${folder}/README.pack.md`);
  const text = readFileSync(existsSync(own) ? own : inRoot(`${folder}/README.md`), 'utf8');
  return `${(text.split('\n## In this repository\n', 1)[0] ?? '').trimEnd()}\n`;
}

/** Pages for those who write agents and configurations, in the folders to which their links lead. */
const PAGES = ['docs/reference/authors.md', 'docs/reference/config.md', 'docs/reference/cli.md', 'docs/bus.md', 'docs/guides'];

for (const built of ['packages/cell/dist/main.js', 'sandbox-images/base/dist/image.json', 'packages/console/dist/index.html'])
  if (!existsSync(inRoot(built))) throw new Error(`There is no ${built}; run npm run build.`);
const tarballs = join(out, 'tarballs');
rmSync(join(out, 'packages'), { recursive: true, force: true });
rmSync(tarballs, { recursive: true, force: true });
mkdirSync(tarballs, { recursive: true });
emit(emitted);
for (const published of PUBLISHED) {
  const folder = await make(published);
  const { status, stderr } = npm(['pack', folder, '--pack-destination', tarballs, '--silent']);
  if (status !== 0) throw new Error(`npm pack of ${folder} failed:\n${stderr}`);
}
rmSync(emitted, { recursive: true });
const sizes = readdirSync(tarballs).map((file) => ({ file, bytes: statSync(join(tarballs, file)).size }));
if (values.json) console.log(JSON.stringify({ version, folder: tarballs, tarballs: sizes }, null, 2));
else {
  for (const { file, bytes } of sizes) console.log(`${file.padEnd(36)} ${(bytes / 1024).toFixed(1).padStart(8)} KiB`);
  console.log(`\nin ${tarballs}\nIn a repository of your own:\n  ${installing()}`);
}

/**
 * Gives the command that is typed next. This file runs on the Node of the dependencies; npm says which one it was itself started with, and for an older one
 * npm would compile isolated-vm, which fails, unless `@corral/node` is installed at once.
 */
function installing(): string {
  const [, started = process.version] = /\bnode\/(v[\d.]+)/.exec(process.env['npm_config_user_agent'] ?? '') ?? [];
  const names = ['corral', ...(runsOn(started) ? [] : ['corral-node'])];
  return `npm install ${names.map((name) => join(tarballs, `${name}-${version}.tgz`)).join(' ')} && npx corral init`;
}
