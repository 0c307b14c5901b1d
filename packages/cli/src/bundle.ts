/**
 * Bundles an agent, on the developer's side: one script without imports. The host takes the result and never installs or
 * bundles anything itself.
 */
import { builtinModules } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, context, type BuildContext, type BuildOptions, type BuildResult, type Plugin } from 'esbuild';
import { refuseLargeBundle } from '@corral/protocol/bundle-size';
import { CorralError } from '@corral/protocol/errors';
import { linesBy, namesBundle } from './stack.ts';

export interface BundledAgent {
  /** What runs. */
  readonly source: string;
  /** The same with what is needed to write its schemas as JSON Schema; it is only ever asked to describe itself. */
  readonly describing: string;
  /** From what runs back to what its author wrote (Source Map 3). */
  readonly map: string;
  /** The same of what describes it. */
  readonly describing_map: string;
  /** The files it was made of. */
  readonly inputs: readonly string[];
}

const SDK = fileURLToPath(import.meta.resolve('@corral/guest'));

/**
 * @param file the module whose default export is the agent
 * @throws CORRAL_BUNDLE_INVALID, naming the first error with its file and line
 */
export async function bundleAgent(file: string): Promise<BundledAgent> {
  const [source, describing] = await Promise.all(entriesOf(file).map((options) => output(build(options))));
  return bundled(source, describing);
}

/** Bundles one agent again and again, for trying it: what has not changed is not read again, and what describes it also runs. */
export class Bundler {
  readonly #context: Promise<BuildContext>;

  constructor(file: string) {
    const [, describing] = entriesOf(file);
    this.#context = context({ ...describing, sourcesContent: true });
  }

  /** @throws CORRAL_BUNDLE_INVALID */
  async bundle(): Promise<BundledAgent> {
    const both = await output((await this.#context).rebuild());
    return bundled(both, both);
  }

  async close(): Promise<void> {
    await (await this.#context).dispose();
  }
}

interface Output {
  readonly text: string;
  readonly map: string;
  readonly inputs: readonly string[];
}

function bundled(source: Output | undefined, describing: Output | undefined): BundledAgent {
  const { text = '', map = '', inputs = [] } = source ?? {};
  // Before it is sent anywhere: what is refused then is refused with the size of a request, which says nothing to its author.
  refuseLargeBundle(Buffer.byteLength(text));
  return { source: text, describing: describing?.text ?? '', map: lean(map), describing_map: describing?.map ?? '', inputs };
}

/** A source map with what the author wrote, and without what came with packages, and data: no stack leads there. */
function lean(text: string): string {
  if (text === '') return text;
  const map = JSON.parse(text) as { sources: string[]; sourcesContent?: (string | null)[] };
  const contents = map.sourcesContent?.map((content, i) =>
    /node_modules|packages\/guest|\.(?:json|txt)$/.test(map.sources[i] ?? '') ? null : content,
  );
  return JSON.stringify({ ...map, ...(contents === undefined ? {} : { sourcesContent: contents }) });
}

/** What runs, and what describes it. */
function entriesOf(file: string): readonly [BuildOptions, BuildOptions] {
  const path = resolve(file);
  return [
    optionsOf(`export { default } from ${JSON.stringify(path)};`, []),
    optionsOf(`export { default } from ${JSON.stringify(path)}; export { toJSONSchema } from 'corral:json-schema';`, [jsonSchemaOf(path)]),
  ];
}

function optionsOf(entry: string, plugins: Plugin[]): BuildOptions {
  return {
    stdin: { contents: entry, resolveDir: process.cwd(), sourcefile: 'agent', loader: 'ts' },
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'corralBundle',
    platform: 'neutral',
    // Modules are strict, and a script is not unless it says so. It is one scope: CommonJS packages become strict with it.
    banner: { js: '"use strict";' },
    // What packages ask of Node at every turn; an agent has neither.
    define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
    mainFields: ['module', 'main'],
    conditions: ['import', 'default'],
    target: 'es2024',
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    logLevel: 'silent',
    alias: { '@corral/guest': SDK },
    plugins: [...plugins, lent],
    outfile: 'agent.js',
    sourcemap: 'external',
    // What describes itself is loaded once; its map only names lines.
    sourcesContent: plugins.length === 0,
    metafile: true,
  };
}

async function output(building: Promise<BuildResult>): Promise<Output> {
  try {
    const { outputFiles = [], metafile } = await building;
    const file = (ending: string) => outputFiles.find(({ path }) => path.endsWith(ending))?.text ?? '';
    return { text: file('.js'), map: file('.js.map'), inputs: Object.keys(metafile?.inputs ?? {}).map((path) => resolve(path)) };
  } catch (error) {
    const first = (error as { errors?: { text: string; location: { file: string; line: number; column: number } | null }[] }).errors?.[0];
    if (first === undefined) throw error;
    const at = first.location === null ? '' : `${first.location.file}:${first.location.line}:${first.location.column + 1}: `;
    throw new CorralError('CORRAL_BUNDLE_INVALID', `${at}${inWords(first.text)}`);
  }
}

const BUILTIN: ReadonlySet<string> = new Set(builtinModules);

/** What the bundler says of its own options means nothing to an author, who never chose them. */
function inWords(text: string): string {
  if (text.startsWith('Top-level await')) return 'An agent is one script, which cannot await at its top level; await within `run`.';
  const [, module] = /^Could not resolve "([^"]+)"/.exec(text) ?? [];
  if (module === undefined) return text;
  if (module.startsWith('node:') || BUILTIN.has(module.split('/')[0] as string))
    return `${module} is a part of Node, which an agent does not have: what it may reach are the capabilities in its \`uses\`.`;
  return /^\.{0,2}\//.test(module) ? `There is no file ${module}.` : `There is no package ${module}; install it beside the agent.`;
}

/**
 * Errors about a bundle, with the author's lines in the place of its own.
 * @throws what it is given rejects with
 */
export async function inAuthorsWords<T>({ describing_map }: Pick<BundledAgent, 'describing_map'>, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof CorralError) || !namesBundle(error.message)) throw error;
    throw new CorralError(error.code, linesBy(describing_map)(error.message), { cause: error });
  }
}

/** An agent in a folder without packages of its own uses the schemas that came with Corral. */
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

/** zod/mini leaves writing JSON Schema out of its schemas; where the agent has zod, its own copy does it. */
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
