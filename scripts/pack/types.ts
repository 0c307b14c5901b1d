/**
 * Types of what is published: the declarations of an entry and of all that it reaches in the workspace, as files of the package itself.
 * So a package's types need none of Corral's packages that are not published.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { inRoot, manifestOf, WORKSPACES, type Entry } from './packages.ts';

/** Packages whose types nobody imports. */
const PROGRAMS = ['packages/cli', 'packages/console'];

/** Has the compiler write the declarations of the workspace below `to`. It checks nothing: `npm run typecheck` does. */
export function emit(to: string): void {
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to, { recursive: true });
  const project = join(to, 'tsconfig.json');
  const compilerOptions = { noEmit: false, noCheck: true, declaration: true, emitDeclarationOnly: true, outDir: to, rootDir: inRoot('') };
  writeFileSync(
    project,
    JSON.stringify({
      extends: inRoot('tsconfig.base.json'),
      compilerOptions: { ...compilerOptions, typeRoots: [inRoot('node_modules/@types')] },
      include: [inRoot('packages/*/src')],
      exclude: ['packages/*/src/**/*.test.ts', 'packages/*/src/**/fixtures/**', ...PROGRAMS].map((path) => inRoot(path)),
    }),
  );
  const { status, stdout } = spawnSync(process.execPath, [inRoot('node_modules/typescript/bin/tsc'), '-p', project], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`The declarations could not be written:\n${stdout}`);
}

/** Where a specifier of a package of the workspace leads: `@corral/protocol/ids` to `packages/protocol/src/ids.ts`. */
function sourceOf(specifier: string): string | undefined {
  for (const folder of WORKSPACES) {
    const manifest = manifestOf(folder) as { readonly name: string; readonly exports?: Readonly<Record<string, unknown>> };
    if (specifier !== manifest.name && !specifier.startsWith(`${manifest.name}/`)) continue;
    const inner = `.${specifier.slice(manifest.name.length)}`;
    for (const [pattern, target] of Object.entries(manifest.exports ?? {})) {
      if (typeof target !== 'string') continue;
      if (pattern === inner) return join(folder, target);
      const [before = '', after] = pattern.split('*');
      if (after !== undefined && inner.startsWith(before)) return join(folder, target.replace('*', inner.slice(before.length)));
    }
  }
  return undefined;
}

/** In an import, an export, or a type that is imported in place; not in a comment. */
const SPECIFIER = /(^(?:import|export)\b[^;'"]*?\bfrom\s+|^import\s+|\bimport\()(['"])([^'"]+)\2/gm;

/**
 * Copies the declarations that the entries reach from `emitted` into `dist`, each entry under its own name and the rest below `types`.
 * @returns the libraries that they name
 */
export function collect(entries: readonly Entry[], emitted: string, dist: string): ReadonlySet<string> {
  const libraries = new Set<string>();
  const done = new Set<string>();
  const take = (source: string): void => {
    if (done.has(source)) return;
    done.add(source);
    const from = join(emitted, source.replace(/\.ts$/, '.d.ts'));
    if (!existsSync(from)) throw new Error(`There are no declarations of ${source}.`);
    const target = placeOf(source);
    const text = readFileSync(from, 'utf8').replaceAll(SPECIFIER, (_, before: string, quote: string, specifier: string) => {
      const reached = specifier.startsWith('.') ? relative(inRoot(''), resolve(inRoot(dirname(source)), specifier)) : sourceOf(specifier);
      if (reached === undefined) {
        if (specifier.startsWith('@corral/')) throw new Error(`${source} names ${specifier}, which leads nowhere.`);
        libraries.add(specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/'));
        return `${before}${quote}${specifier}${quote}`;
      }
      take(reached);
      const path = relative(dirname(target), placeOf(reached)).replace(/\.d\.ts$/, '.js');
      return `${before}${quote}${path.startsWith('.') ? path : `./${path}`}${quote}`;
    });
    mkdirSync(dirname(join(dist, target)), { recursive: true });
    writeFileSync(join(dist, target), text);
  };
  for (const { source, to } of entries) {
    take(source);
    writeFileSync(join(dist, `${to}.d.ts`), `export * from './${placeOf(source).replace(/\.d\.ts$/, '.js')}';\n`);
  }
  return libraries;
}

const placeOf = (source: string): string =>
  join(
    'types',
    source
      .replace(/^packages\//, '')
      .replace('/src/', '/')
      .replace(/\.ts$/, '.d.ts'),
  );
