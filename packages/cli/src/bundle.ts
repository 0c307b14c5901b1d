/**
 * Bundles an agent, on the developer's machine: one script without imports. The host stores the result and never installs or
 * bundles anything itself.
 */
import { relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, context, version, type BuildContext, type BuildOptions, type BuildResult, type ImportKind, type Plugin } from 'esbuild';
import { IMPORTS_NODE, NAMES_AI_SDK, NAMES_FETCH } from '@corral/guest/abi';
import { refuseLargeBundle } from '@corral/protocol/model/bundle-size';
import { CorralError, type ErrorCode } from '@corral/protocol/errors';
import { builtins, hasBuiltins, isBuiltin, isFile, needsBuffer, WITH_BUFFER } from './bundle-builtins.ts';
import { wayIn, type WayTo } from './bundle-imports.ts';
import { LOWERED, needsLowering, PROBE, refuseOtherHelpers, withHooks } from './bundle-lowered.ts';
import { linesBy, namesBundle } from './stack.ts';

export interface BundledAgent {
  /** The script that runs. */
  readonly source: string;
  /** The same with the code that writes schemas of zod as JSON Schema, if there are any; it is run only to describe the agent. */
  readonly describing: string;
  /** Source map from `source` to the author's files (Source Map 3). */
  readonly map: string;
  /** The same from `describing`. */
  readonly describing_map: string;
  /** The author's file, as it is named in messages. */
  readonly file: string;
  /** The files that were bundled. */
  readonly inputs: readonly string[];
  /** The imports that led to a bundled file, by its path as messages have it. */
  readonly wayTo: WayTo;
}

/** The module that the bundler makes; it imports the author's file. */
const ENTRY = 'agent';
const SDK = fileURLToPath(import.meta.resolve('@corral/guest'));

/**
 * @param file the module whose default export is the agent
 * @throws CORRAL_BUNDLE_INVALID, naming the first error with its file and line
 */
export async function bundleAgent(file: string): Promise<BundledAgent> {
  const [running, describing] = entriesOf(file);
  const source = await output(file, builderOf(running));
  // The writer of JSON Schema takes most of the time of a bundle, and is used for schemas of zod alone, which say so.
  return bundled(file, source, source.text.includes('zod') ? await output(file, builderOf(describing), source.more) : source);
}

/**
 * One bundle for running and describing, for a host in this process: half of the bundler's work. A bundle that is deployed is smaller.
 * @throws CORRAL_BUNDLE_INVALID
 */
export async function bundleToTry(file: string): Promise<BundledAgent> {
  const both = await output(file, builderOf(toTry(file)));
  return bundled(file, both, both);
}

const toTry = (file: string): BuildOptions => ({ ...entriesOf(file)[1], sourcesContent: true });

/** Bundles one agent repeatedly, as `bundleToTry` does, for development: unchanged files are not read again. */
export class Bundler {
  readonly #contexts = new Map<string, Promise<BuildContext>>();
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  /** @throws CORRAL_BUNDLE_INVALID */
  async bundle(): Promise<BundledAgent> {
    const both = await output(this.#file, async (more) => (await this.#contextOf(more)).rebuild());
    return bundled(this.#file, both, both);
  }

  async close(): Promise<void> {
    for (const one of this.#contexts.values()) await (await one).dispose();
  }

  #contextOf(more: More): Promise<BuildContext> {
    const key = Object.keys(more).join();
    const made = this.#contexts.get(key) ?? context({ ...toTry(this.#file), ...more });
    this.#contexts.set(key, made);
    return made;
  }
}

/** Options that only the text of a bundle made without them asks for. */
type More = Partial<typeof LOWERED & typeof WITH_BUFFER>;
type Builder = (more: More) => Promise<BuildResult>;
const builderOf =
  (options: BuildOptions): Builder =>
  (more) =>
    build({ ...options, ...more });

interface Output {
  /** The options that it was made with. */
  readonly more: More;
  readonly text: string;
  readonly map: string;
  readonly inputs: readonly string[];
  readonly wayTo: WayTo;
}

function bundled(file: string, { text, map, inputs, wayTo }: Output, describing: Output): BundledAgent {
  // Checked before anything is sent: the host would refuse the size of the request, which tells the author nothing.
  refuseLargeBundle(Buffer.byteLength(text));
  return {
    source: text,
    describing: describing.text,
    map: lean(map),
    describing_map: describing.map,
    file: shown(file),
    inputs,
    wayTo,
  };
}

/** Removes the texts of packages from a source map; the author's files stay. Stacks are only mapped to files of the author. */
function lean(text: string): string {
  if (text === '') return text;
  const map = JSON.parse(text) as { sources: string[]; sourcesContent?: (string | null)[] };
  const contents = map.sourcesContent?.map((content, i) =>
    /node_modules|packages\/guest|\.(?:json|txt)$/.test(map.sources[i] ?? '') ? null : content,
  );
  return JSON.stringify({ ...map, ...(contents === undefined ? {} : { sourcesContent: contents }) });
}

/** The entry points of the bundle that runs and of the one that describes. */
function entriesOf(file: string): readonly [BuildOptions, BuildOptions] {
  const path = resolve(file);
  return [
    optionsOf(`export { default } from ${JSON.stringify(path)};`, []),
    optionsOf(`export { default } from ${JSON.stringify(path)}; export { toJSONSchema } from 'corral:json-schema';`, [jsonSchemaOf(path)]),
  ];
}

/** `workerd` is the nearest that packages know to an isolate without files and processes. */
const CONDITIONS = ['workerd', 'import', 'module', 'default'];

function optionsOf(entry: string, plugins: Plugin[]): BuildOptions {
  return {
    stdin: { contents: entry, resolveDir: process.cwd(), sourcefile: ENTRY, loader: 'js' },
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'corralBundle',
    platform: 'neutral',
    // Modules are strict, and a script must say so. All modules become one scope, so CommonJS packages become strict too.
    banner: { js: '"use strict";' },
    // Names that packages expect from Node; an agent has neither.
    define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
    mainFields: ['module', 'main'],
    conditions: CONDITIONS,
    target: 'es2024',
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    logLevel: 'silent',
    alias: { '@corral/guest': SDK },
    plugins: [...plugins, lent, onlyForNode, builtins],
    outfile: 'agent.js',
    sourcemap: 'external',
    // The describing bundle runs once, and its map is used only for line numbers.
    sourcesContent: plugins.length === 0,
    metafile: true,
  };
}

/** A file from where the command was given, as the bundler names it. */
const shown = (file: string): string => relative(process.cwd(), resolve(file));

/** Whether this esbuild's helpers are the known ones; found out once, for the first bundle that has them. */
let probed: Promise<void> | undefined;
async function probe(): Promise<void> {
  const { outputFiles = [] } = await build({ ...optionsOf(PROBE, []), ...LOWERED });
  refuseOtherHelpers(outputFiles.find(({ path }) => path.endsWith('.js'))?.text ?? '', version);
}

/** Only the text of a bundle tells whether what it imports of Node is used in it. */
async function output(entry: string, builder: Builder, more: More = {}): Promise<Output> {
  try {
    const { outputFiles = [], metafile } = await builder(more);
    const file = (ending: string) => outputFiles.find(({ path }) => path.endsWith(ending))?.text ?? '';
    const text = file('.js');
    const inputs = Object.keys(metafile?.inputs ?? {});
    const wanted: More = { ...(needsLowering(text) ? LOWERED : {}), ...(needsBuffer(inputs, text) ? WITH_BUFFER : {}) };
    const again: More = { ...more, ...wanted };
    if (Object.keys(again).length > Object.keys(more).length) return await output(entry, builder, again);
    const lowered = more.supported !== undefined;
    if (lowered) await (probed ??= probe());
    // An isolate has these only if its bundle says that it needs them, by a text of its own: one of before there were any must replay.
    const needs: readonly (readonly [string, boolean])[] = [
      [IMPORTS_NODE, hasBuiltins(inputs)],
      [NAMES_FETCH, /\bfetch\b/.test(text)],
      [NAMES_AI_SDK, text.includes('AI_SDK_DEFAULT_PROVIDER')],
    ];
    const said = needs.flatMap(([mark, isNeeded]) => (isNeeded ? `"${mark}";\n` : []));
    return {
      more,
      text: [lowered ? withHooks(text) : text, ...said].join(''),
      map: file('.js.map'),
      inputs: inputs.filter((path) => isFile(path)).map((path) => resolve(path)),
      wayTo: wayIn(metafile?.inputs ?? {}, ENTRY),
    };
  } catch (error) {
    const first = (error as { errors?: { text: string; location: { file: string; line: number; column: number } | null }[] }).errors?.[0];
    if (first === undefined) throw error;
    if (first.text.startsWith('No matching export') && first.location?.file === ENTRY)
      throw new CorralError('CORRAL_BUNDLE_INVALID', `${shown(entry)}: ${await withoutDefault(entry)}`);
    const at = first.location === null ? '' : `${first.location.file}:${first.location.line}:${first.location.column + 1}: `;
    throw new CorralError('CORRAL_BUNDLE_INVALID', `${at}${inWords(first.text)}`);
  }
}

/** Names the exports of a file that has no default one. */
async function withoutDefault(file: string): Promise<string> {
  const { metafile } = await build({ entryPoints: [resolve(file)], format: 'esm', write: false, metafile: true, logLevel: 'silent' });
  const names = Object.values(metafile.outputs).flatMap(({ exports }) => exports);
  return `It has no default export; write \`export default defineAgent({ … })\`. It exports ${names.join(', ') || 'nothing'}.`;
}

/** Rephrases errors about options of the bundler, which the author of an agent has not chosen. */
function inWords(text: string): string {
  if (text.startsWith('Top-level await')) return 'An agent is one script, which cannot await at its top level; await within `run`.';
  const [, module] = /^Could not resolve "([^"]+)"/.exec(text) ?? [];
  if (module === undefined) return text;
  if (isBuiltin(module))
    return `${module} is part of Node, which an agent does not have: an agent reaches only the capabilities in its \`uses\`.`;
  return /^\.{0,2}\//.test(module) ? `There is no file ${module}.` : `There is no package ${module}; install it beside the agent.`;
}

/**
 * Replaces positions in the bundle by the author's lines in an error. One about the bundle without a position names the author's file.
 * @throws what `work` rejects with
 */
export async function inAuthorsWords<T>(
  { describing_map, file, wayTo }: Pick<BundledAgent, 'describing_map' | 'file' | 'wayTo'>,
  work: Promise<T>,
): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof CorralError)) throw error;
    if (namesBundle(error.message)) {
      const { missingName } = await import('@corral/server/evidence/advice');
      const message = linesBy(describing_map)(error.message);
      const [, source = ''] = /\(at (.+):\d+:\d+\)/.exec(message) ?? [];
      const said = [message, ...wayTo(source), ...missingName(error.message)];
      throw new CorralError(error.code, said.join('. '), { cause: error });
    }
    if (!ABOUT_THE_FILE.has(error.code)) throw error;
    throw new CorralError(error.code, `${file}: ${error.message}`, { cause: error });
  }
}
const ABOUT_THE_FILE: ReadonlySet<ErrorCode> = new Set(['CORRAL_BUNDLE_INVALID', 'CORRAL_MANIFEST_INVALID', 'CORRAL_SCHEMA_INVALID']);

/** Resolves schemas from Corral's own packages if the agent's folder has no packages. */
const lent: Plugin = {
  name: 'lent',
  setup(esbuild) {
    esbuild.onResolve({ filter: /^zod(\/mini)?$/ }, async ({ path, resolveDir, kind, pluginData }) => {
      if (pluginData === lent) return undefined;
      const own = await esbuild.resolve(path, { kind, resolveDir, pluginData: lent });
      return own.errors.length === 0
        ? own
        : { path: fileURLToPath(path === 'zod' ? import.meta.resolve('zod') : import.meta.resolve('zod/mini')) };
    });
  },
};

/**
 * Some packages have an entry for `node` and none for others. It is taken where there is no other, since entries for others need less of
 * Node.
 */
const onlyForNode: Plugin = {
  name: 'only-for-node',
  setup(esbuild) {
    esbuild.onResolve({ filter: /^[^./]/ }, async ({ path, kind, importer, resolveDir, pluginData }) => {
      if (pluginData === onlyForNode || pluginData === lent || isBuiltin(path) || resolveDir === '') return undefined;
      const own = await esbuild.resolve(path, { kind, importer, resolveDir, pluginData: onlyForNode });
      if (own.errors.length === 0) return undefined;
      const found = await resolvedForNode(path, kind, resolveDir);
      return found === undefined ? undefined : { path: found };
    });
  },
};

/** The file that is found under the condition `node` as well. */
async function resolvedForNode(path: string, kind: ImportKind, resolveDir: string): Promise<string | undefined> {
  let found: string | undefined;
  const look: Plugin = {
    name: 'look',
    setup(esbuild) {
      esbuild.onStart(async () => {
        const resolved = await esbuild.resolve(path, { kind, resolveDir });
        if (resolved.errors.length === 0) found = resolved.path;
      });
    },
  };
  const conditions = [...CONDITIONS, 'node'];
  await build({
    stdin: { contents: '', resolveDir },
    write: false,
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions,
    plugins: [look],
    logLevel: 'silent',
  });
  return found;
}

/** zod/mini does not include the writer of JSON Schema; if the agent has its own zod, that copy's writer is used. */
function jsonSchemaOf(agent: string): Plugin {
  return {
    name: 'json-schema',
    setup(esbuild) {
      esbuild.onResolve({ filter: /^corral:json-schema$/ }, async () => {
        const zod = await esbuild.resolve('zod/mini', { kind: 'import-statement', importer: agent, resolveDir: resolve(agent, '..') });
        return zod.errors.length === 0 ? { path: zod.path } : { path: 'none', namespace: 'corral-none' };
      });
      esbuild.onLoad({ filter: /.*/, namespace: 'corral-none' }, () => ({
        contents: 'export const toJSONSchema = undefined;',
        loader: 'js',
      }));
    },
  };
}
