/**
 * Bundles what is published to JavaScript. The command line's own libraries become part of it, because each command loads them; those of
 * the host stay dependencies, so that `npm audit` of a user sees them.
 */
import { copyFileSync, cpSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { build, type BuildOptions, type Metafile, type Plugin } from 'esbuild';
import { ROUTES } from '@corral/protocol/api/routes';
import { inRoot } from './packages.ts';

/** Libraries that become part of the bundle; all others stay imports. */
const BUNDLED = new Set([
  'zod',
  'commander',
  'log-update',
  'string-width',
  '@jridgewell/trace-mapping',
  'croner',
  'fastify-type-provider-zod',
]);

/** Files that are started by their path, and the file of the package that each becomes. */
const PROGRAMS: Readonly<Record<string, string>> = {
  'packages/store/src/sqlite/start.ts': 'store-thread',
  'packages/store/src/front/start.ts': 'front-thread',
  'packages/store/src/memory/start.ts': 'memory-thread',
  'packages/telemetry/src/worker.ts': 'telemetry-thread',
  'packages/tools/src/host/child.ts': 'tool-process',
  'packages/cli/src/inspect/guest.ts': 'inspect-guest',
  'packages/cli/src/scene/host-process.ts': 'scene-host',
  'packages/tools/src/inspect/scan-worker.ts': 'scan-worker',
  'packages/cli/src/test-imports.ts': 'test-imports',
};
/** Files that sources find by `import.meta.resolve`, relative to the package's `dist`. */
const FOUND: Readonly<Record<string, string>> = {
  '@corral/guest': './agent-sdk.js',
  '@corral/cell/main': './cell.js',
  '@corral/image-base/image.json': './image-base.json',
  '@corral/policy/pack/default.cedar': './default.cedar',
  '@corral/console/index.html': './console/index.html',
  '@corral/server/config': './config.js',
  '@corral/examples/package.json': '../examples/package.json',
};
/** Dependencies of the package; these stay as they are. */
const LEFT = new Set(['@noble/hashes/sha2.js', 'unenv/package.json', 'zod', 'zod/mini']);

const COMMON: BuildOptions = {
  bundle: true,
  format: 'esm',
  target: 'es2024',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  logLevel: 'error',
  metafile: true,
  absWorkingDir: inRoot(''),
  // In a workspace a package is a link; its file is meant.
  preserveSymlinks: false,
};

/** Rewrites the ways by which sources find each other's files. A way that is not in the tables fails the build. */
const places: Plugin = {
  name: 'places',
  setup(esbuild) {
    esbuild.onLoad({ filter: /\/packages\/[^/]+\/src\/.*\.ts$/ }, ({ path }) => {
      // The texts in it are files of a user.
      if (path.endsWith('/create-corral/src/templates.ts')) return undefined;
      const contents = readFileSync(path, 'utf8')
        .replaceAll(/new URL\('(\.[^']+)', import\.meta\.url\)/g, (_, name: string) => {
          const program = PROGRAMS[resolve(dirname(path), name).slice(inRoot('').length)];
          if (program === undefined) throw new Error(`${path} starts ${name}, which scripts/pack/bundle.ts does not know.`);
          return `new URL('./${program}.js', import.meta.url)`;
        })
        .replaceAll(/import\.meta\.resolve\(([^)]+)\)/g, (whole, named: string) => {
          const name = /^'([^']+)'$/.exec(named)?.[1] ?? '';
          if (LEFT.has(name)) return whole;
          if (FOUND[name] === undefined) throw new Error(`${path} looks for ${named}, which scripts/pack/bundle.ts does not know.`);
          return `new URL('${FOUND[name]}', import.meta.url).href`;
        });
      return { contents, loader: 'ts' };
    });
  },
};

/** A client needs the method and the path of each route and whether it answers in plain text, and none of its schemas. */
const routesOnly: Plugin = {
  name: 'routes',
  setup(esbuild) {
    esbuild.onResolve({ filter: /^\.\/routes\.ts$/ }, ({ importer }) =>
      importer.endsWith('/protocol/src/api/client.ts') ? { path: 'routes', namespace: 'routes' } : undefined,
    );
    esbuild.onLoad({ filter: /.*/, namespace: 'routes' }, () => ({
      contents: `export const ROUTES = ${JSON.stringify(Object.fromEntries(Object.entries(ROUTES).map(([name, { method, path, ...more }]) => [name, { method, path, ...('text' in more ? { text: true } : {}) }])))};`,
    }));
  },
};

/** Libraries that are not in `BUNDLED` stay imports. */
const libraries: Plugin = {
  name: 'libraries',
  setup(esbuild) {
    esbuild.onResolve({ filter: /^[^./]/ }, ({ path, importer }) => {
      const name = path.split('/', path.startsWith('@') ? 2 : 1).join('/');
      if (name.startsWith('@corral/') || name === 'create-corral' || importer === '') return undefined;
      if (BUNDLED.has(name)) return undefined;
      // A library of a library that is part of the bundle is part of it too.
      return importer.includes('/node_modules/') && !path.startsWith('node:') && name !== 'fastify' && name !== '@fastify/swagger'
        ? undefined
        : { path, external: true };
    });
  },
};

/** @returns what was read and written, for the manifest's dependencies and for licences */
export async function bundleCorral(to: string): Promise<Metafile[]> {
  const dist = join(to, 'dist');
  const entries = {
    main: 'packages/cli/src/main.ts',
    config: 'packages/server/src/config/define.ts',
    testing: 'packages/testing/src/index.ts',
    ...Object.fromEntries(Object.entries(PROGRAMS).map(([source, name]) => [name, source])),
  };
  const built = await build({
    ...COMMON,
    platform: 'node',
    entryPoints: entries,
    outdir: dist,
    splitting: true,
    chunkNames: '[name]-[hash]',
    // Libraries in CommonJS ask for Node's modules by `require`.
    banner: { js: "import { createRequire as $require } from 'node:module'; const require = $require(import.meta.url);" },
    plugins: [places, routesOnly, libraries],
  });
  const sdk = await bundleGuest(dist, 'agent-sdk');
  copyFileSync(inRoot('packages/cell/dist/main.js'), join(dist, 'cell.js'));
  copyFileSync(inRoot('sandbox-images/base/dist/image.json'), join(dist, 'image-base.json'));
  copyFileSync(inRoot('packages/policy/src/pack/default.cedar'), join(dist, 'default.cedar'));
  cpSync(inRoot('packages/console/dist'), join(dist, 'console'), { recursive: true });
  copyExamples(join(to, 'examples'));
  mkdirSync(join(to, 'bin'), { recursive: true });
  copyFileSync(inRoot('packages/corral/src/bin.mjs'), join(to, 'bin/corral.mjs'));
  return [built.metafile as Metafile, ...sdk];
}

/** Files that do not belong in the package: those of our tools, and those that a host or a demo left there, such as a data folder with its keys. */
const NO_EXAMPLE = /\/(?:node_modules|turbo\.json|tsconfig\.json|corral-report|\.[^/]*|[^/]*\.log)$/;

/** The agents of `corral demo`, which bundles them as it would bundle a user's. */
function copyExamples(to: string): void {
  cpSync(inRoot('examples'), to, { recursive: true, filter: (path) => !NO_EXAMPLE.test(path) });
}

export async function bundleGuest(dist: string, name = 'index'): Promise<Metafile[]> {
  const built = await build({
    ...COMMON,
    platform: 'neutral',
    entryPoints: { [name]: 'packages/guest/src/sdk/index.ts' },
    outdir: dist,
    plugins: [libraries],
  });
  return [built.metafile as Metafile];
}

export async function bundleClient(dist: string): Promise<Metafile[]> {
  const browser = await build({
    ...COMMON,
    platform: 'browser',
    entryPoints: { index: 'packages/client/src/index.ts' },
    outdir: dist,
    plugins: [routesOnly, libraries],
  });
  const node = await build({
    ...COMMON,
    platform: 'node',
    entryPoints: { node: 'packages/client/src/node.ts' },
    outdir: dist,
    plugins: [routesOnly, libraries],
  });
  return [browser.metafile as Metafile, node.metafile as Metafile];
}

export async function bundleCreate(to: string): Promise<Metafile[]> {
  const built = await build({
    ...COMMON,
    // It runs on the Node that npm runs on.
    target: 'node20',
    platform: 'node',
    entryPoints: { 'create-corral': 'packages/create-corral/src/main.ts' },
    outdir: join(to, 'bin'),
    outExtension: { '.js': '.mjs' },
    plugins: [libraries],
  });
  return [built.metafile as Metafile];
}
