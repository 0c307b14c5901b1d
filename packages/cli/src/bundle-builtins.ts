/**
 * Stands in for parts of Node in a bundle, where packages import them. Most packages that do so also run without: those that only
 * compute are there (unenv), and each function of another one fails when it is called, with its name and the package that called it. In
 * the author's own files such an import is an error of the bundler.
 */
import { builtinModules } from 'node:module';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BuildOptions, Plugin } from 'esbuild';
import { ASYNC_HOOKS, IMPORTS_NODE } from '@corral/guest/abi';
import { DIGESTS, digestsModule } from './bundle-hash.ts';

const BARE: ReadonlySet<string> = new Set(builtinModules.map((name) => name.replace(/^node:/, '')));
/** Whether an import names a part of Node. */
export const isBuiltin = (path: string): boolean => path.startsWith('node:') || BARE.has(path);

/** Parts that compute and reach nothing, and that unenv has whole. */
const PURE: ReadonlySet<string> = new Set(
  'buffer constants diagnostics_channel events os path path/posix perf_hooks punycode querystring timers timers/promises url util util/types'.split(
    ' ',
  ),
);
const SHIMS = new URL('dist/runtime/node/', import.meta.resolve('unenv/package.json'));
const shimOf = (name: string): string => fileURLToPath(new URL(`${name}.mjs`, SHIMS));

/** Classes of `node:stream/web` that an isolate has as globals. */
const STREAMS = (
  'ReadableStream ReadableStreamDefaultReader ReadableStreamDefaultController ReadableStreamBYOBReader ReadableStreamBYOBRequest ' +
  'ReadableByteStreamController WritableStream WritableStreamDefaultWriter WritableStreamDefaultController TransformStream ' +
  'TransformStreamDefaultController ByteLengthQueuingStrategy CountQueuingStrategy TextEncoderStream TextDecoderStream'
).split(' ');

/** Members that are given otherwise than by unenv, or although the rest of their module is absent. */
const OWN: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  async_hooks: { AsyncLocalStorage: `${ASYNC_HOOKS}.AsyncLocalStorage`, AsyncResource: `${ASYNC_HOOKS}.AsyncResource` },
  'stream/web': Object.fromEntries(STREAMS.map((name) => [name, `globalThis.${name}`])),
  tty: { isatty: '() => false' },
  util: { debuglog: `() => Object.assign(() => {}, { enabled: false })`, debug: `() => Object.assign(() => {}, { enabled: false })` },
  crypto: {
    randomUUID: '() => crypto.randomUUID()',
    getRandomValues: '(array) => crypto.getRandomValues(array)',
    randomFillSync: '(array) => crypto.getRandomValues(array)',
    webcrypto: 'globalThis.crypto',
  },
};

/** Where the bundler has what stands for parts of Node. */
const NAMESPACE = 'corral-absent';
/** Whether a bundle has a part of Node in it, by the names of its inputs. */
export const hasBuiltins = (inputs: readonly string[]): boolean => inputs.some((path) => path.startsWith(`${NAMESPACE}:`));
/** A module of `builtins` that makes Buffer a global. */
const BUFFER = 'corral:buffer';
const DIGEST = 'corral:digest';
/** Modules that only the stand-ins of this file import, by name. */
const INNER: Readonly<Record<string, () => string>> = {
  [BUFFER]: () => `import { Buffer } from ${JSON.stringify(shimOf('buffer'))}; globalThis.Buffer ??= Buffer;`,
  [DIGEST]: () => digestsModule(shimOf('buffer'), absentOf('a package')),
};
/**
 * Options for a bundle in which a package imports `node:buffer`. Where that is there, other packages use the global `Buffer` without an
 * import, as they may in Node; it is then the same one. In a bundle without, there is none, since most packages ask first.
 */
export const WITH_BUFFER: Pick<BuildOptions, 'inject'> = { inject: [BUFFER] };
export const needsBuffer = (inputs: readonly string[], text: string): boolean =>
  inputs.some((path) => path.startsWith(`${NAMESPACE}:buffer `)) && /\bBuffer\b/.test(text);
export const isFile = (input: string): boolean => !input.startsWith(`${NAMESPACE}:`);

export const builtins: Plugin = {
  name: 'builtins',
  setup(esbuild) {
    esbuild.onResolve({ filter: /^(?:node:)?[a-z0-9_/]+$/ }, ({ path, importer, kind }) => {
      const name = path.replace(/^node:/, '');
      if (!BARE.has(name) || !(importer.includes('/node_modules/') || name === 'async_hooks')) return undefined;
      // A shim that imports another part has unenv's, whole or not.
      if (importer.includes('/node_modules/unenv/')) return { path: shimOf(name), sideEffects: false };
      const owner = ownerOf(importer);
      const required = kind === 'require-call' || kind === 'require-resolve';
      return {
        path: `${name}${required ? ' by require' : ''} of ${owner}`,
        namespace: NAMESPACE,
        pluginData: { name, owner, required },
        sideEffects: false,
      };
    });
    esbuild.onResolve({ filter: /^corral:/ }, ({ path }) =>
      path in INNER ? { path, namespace: NAMESPACE, sideEffects: path === BUFFER } : undefined,
    );
    // A module that imports WebAssembly may never use it.
    esbuild.onLoad({ filter: /\.wasm$/ }, ({ path }) => ({
      contents: `${absentOf(ownerOf(path), 'WebAssembly')}\nexport default absent(${JSON.stringify(basename(path))});`,
      loader: 'js',
    }));
    esbuild.onLoad({ filter: /.*/, namespace: NAMESPACE }, ({ path, pluginData }) => {
      const resolveDir = fileURLToPath(SHIMS);
      const inner = INNER[path];
      if (inner !== undefined) return { contents: inner(), loader: 'js', resolveDir };
      const { name, owner, required } = pluginData as { readonly name: string; readonly owner: string; readonly required: boolean };
      return { contents: standIn(name, owner, required), loader: 'js', resolveDir };
    });
  },
};

/** The package that a file belongs to; undefined: it is the author's. */
export const packageOf = (path: string): string | undefined => /.*\bnode_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1];
const ownerOf = (path: string): string => packageOf(path) ?? 'the agent';

/** @param required by a package of CommonJS, which expects the class or the object itself */
function standIn(name: string, owner: string, required: boolean): string {
  if (name === 'process') return required ? 'module.exports = globalThis.process;' : processModule();
  const own = OWN[name] ?? {};
  if (PURE.has(name)) {
    const shim = JSON.stringify(shimOf(name));
    const over = Object.entries(own).map(([member, text]) => `${member}: ${text}`);
    const whole = (all: string) => (over.length === 0 ? all : `/* @__PURE__ */ Object.assign({}, ${all}, { ${over.join(', ')} })`);
    if (required) return `const all = require(${shim}); module.exports = ${whole('all.default ?? all')};`;
    return [
      `export * from ${shim}; import all from ${shim}; export default ${whole('all')};`,
      ...Object.entries(own).map(([member, text]) => `export const ${member} = ${text};`),
    ].join('\n');
  }
  const digests: ReadonlySet<string> = name === 'crypto' ? DIGESTS : new Set();
  const text = (member: string) => (digests.has(member) ? `digests.${member}` : (own[member] ?? `absent('node:${name}.${member}')`));
  const members = membersOf(name).map((member) => [member, text(member)] as const);
  const head = absentOf(owner);
  if (required) {
    const others = members.filter(([member]) => !digests.has(member)).map(([member, value]) => `${JSON.stringify(member)}: ${value}`);
    // Most packages ask for the whole of it and need something else: the digests are evaluated when one is asked for.
    const late = [...digests].map((member) => `${member}: { enumerable: true, get: () => require('${DIGEST}').${member} }`);
    return `${head}\nmodule.exports = Object.defineProperties(Object.assign(absent('node:${name}'), { ${others.join(', ')} }), { ${late.join(', ')} });`;
  }
  const locals = members.map(([, text], i) => `const m${i} = ${text};`);
  const exported = members.map(([member], i) => `m${i} as ${JSON.stringify(member)}`);
  return `${digests.size === 0 ? '' : `import * as digests from '${DIGEST}';\n`}${head}\n${locals.join('\n')}\nexport { ${exported.join(', ')} };\nexport default { ${members.map(([member], i) => `${JSON.stringify(member)}: m${i}`).join(', ')} };`;
}

const processModule = (): string => {
  const names = [
    'env',
    'argv',
    'platform',
    'version',
    'versions',
    'cwd',
    'nextTick',
    'hrtime',
    'emitWarning',
    'exit',
    'stdout',
    'stderr',
    'on',
    'off',
    'once',
    'uptime',
  ];
  return `const all = globalThis.process;\nexport default all;\nexport const { ${names.join(', ')} } = all;`;
};

/** Names of the exports of a part of Node, besides `default`. */
function membersOf(name: string): string[] {
  const found = process.getBuiltinModule(`node:${name}`);
  return Object.keys(found ?? {}).filter((member) => member !== 'default');
}

const HINT = 'Use another entry of that package, or give the agent a capability for what it does.';

/** A function, class or object that fails when it is used. */
const absentOf = (owner: string, kind = 'part of Node'): string => `const missing = (path) => {
  const data = { code: '${IMPORTS_NODE}', message: path + ' is ${kind}, which an agent does not have; ${owner} called it. ${HINT}', hint: '${HINT}', retryable: false };
  const Known = globalThis.corral?.errorClass('CorralError');
  return Known === undefined ? Object.assign(new Error(data.message), data) : new Known(data);
};
const absent = (path) => new Proxy(function () {}, {
  get: (target, member) => typeof member === 'symbol' || member === 'prototype' || member === '__esModule' || member === 'then' ? target[member] : Object.hasOwn(target, member) && !['length', 'name'].includes(member) ? target[member] : absent(path + '.' + member),
  apply: () => { throw missing(path) }, construct: () => { throw missing(path) } });`;
