/** A bundle holds what runs; the writer of JSON Schema is in the bundle that describes an agent, where the agent has schemas for it. */
import { createHash, createHmac } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createContext, runInContext } from 'node:vm';
import { needsOf } from '@corral/guest/abi';
import { CorralError } from '@corral/protocol/errors';
import { build } from 'esbuild';
import { bundleAgent, inAuthorsWords } from './bundle.ts';
import { LOWERED, PROBE, refuseOtherHelpers } from './bundle-lowered.ts';
import { linesBy } from './stack.ts';

/** @param packages files below node_modules */
async function bundleOf(text: string, packages: Readonly<Record<string, string>> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'corral-test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'agent.ts');
  for (const [path, contents] of Object.entries(packages)) {
    await mkdir(dirname(join(folder, 'node_modules', path)), { recursive: true });
    await writeFile(join(folder, 'node_modules', path), contents);
  }
  await writeFile(file, text);
  return bundleAgent(file);
}

test('the writer of JSON Schema describes an agent with schemas of zod, and is in no bundle that runs', async () => {
  const { source, describing } = await bundleOf(
    `import { defineAgent } from '@corral/guest'; import * as z from 'zod/mini';
     export default defineAgent({ name: 'a', input: z.object({ n: z.number() }), run: ({ input }) => input.n });`,
  );
  expect([source.includes('toJSONSchema:'), describing.includes('toJSONSchema:')]).toEqual([false, true]);
});

test('an agent without such schemas is described by the bundle that runs', async () => {
  const { source, describing } = await bundleOf(
    `import { defineAgent } from '@corral/guest'; export default defineAgent({ name: 'a', run: () => 1 });`,
  );
  expect(describing).toBe(source);
});

describe('a package that imports parts of Node', () => {
  /** The value that a package exports when the bundle is evaluated, with nothing of Node in reach. */
  async function said(code: string, type = 'module'): Promise<unknown> {
    const { source } = await bundleOf(`import said from 'p'; export default said;`, {
      'p/package.json': JSON.stringify({ name: 'p', type, main: 'index.js' }),
      'p/index.js': code,
    });
    const context = createContext({
      process: { env: {} },
      crypto: { randomUUID: () => 'u' },
      atob,
      btoa,
      Blob,
      File,
      WritableStream: 'the global one',
    });
    return JSON.parse(JSON.stringify((runInContext(`${source}; corralBundle`, context) as { readonly default: unknown }).default));
  }
  const tried = (code: string) => `(() => { try { return ${code} } catch (error) { return [error.code, error.message] } })()`;
  const absent = (name: string) => [
    'CORRAL_API_MISSING',
    expect.stringMatching(new RegExp(`^node:${name.replaceAll('.', '\\.')} is part of Node.*; p called it`)) as string,
  ];

  test.each([
    ['by name', 'module', `import { readFileSync } from 'node:fs'; export default ${tried("readFileSync('x')")};`],
    ['as a whole', 'module', `import * as fs from 'fs'; export default ${tried("fs.readFileSync('x')")};`],
    ['by default', 'module', `import fs from 'fs'; export default ${tried("fs.readFileSync('x')")};`],
    ['by require', 'commonjs', `const fs = require('fs'); module.exports = ${tried("fs.readFileSync('x')")};`],
    ['by require of a member', 'commonjs', `const { readFileSync } = require('node:fs'); module.exports = ${tried("readFileSync('x')")};`],
  ])('%s is told what is missing where it is called', async (_, type, code) => {
    expect(await said(code, type)).toEqual(absent('fs.readFileSync'));
  });

  test('may extend a class of an absent part, and is told when it makes one', async () => {
    expect(await said(`import { Readable } from 'stream'; class Mine extends Readable {} export default ${tried('new Mine()')};`)).toEqual(
      absent('stream.Readable'),
    );
    expect(
      await said(
        `const { Readable } = require('stream'); class Mine extends Readable {} module.exports = ${tried('new Mine()')};`,
        'commonjs',
      ),
    ).toEqual(absent('stream.Readable'));
  });

  test.each([
    [
      'module',
      `import { join } from 'node:path'; import { EventEmitter } from 'events'; import util from 'util'; import { isatty } from 'tty'; import { randomUUID } from 'crypto';
      class Mine extends EventEmitter {} const seen = []; const e = new Mine(); e.on('x', (n) => seen.push(n)); e.emit('x', 1);
      export default [join('a', '..', 'b'), seen, typeof util.promisify, util.debuglog('x').enabled, isatty(1), randomUUID()];`,
    ],
    [
      'commonjs',
      `const path = require('path'); const EventEmitter = require('events'); const util = require('util'); const tty = require('tty'); const { randomUUID } = require('crypto');
      class Mine extends EventEmitter {} const seen = []; const e = new Mine(); e.on('x', (n) => seen.push(n)); e.emit('x', 1);
      module.exports = [path.join('a', '..', 'b'), seen, typeof util.promisify, util.debuglog('x').enabled, tty.isatty(1), randomUUID()];`,
    ],
  ])('has those that only compute (%s)', async (type, code) => {
    expect(await said(code, type)).toEqual(['b', [1], 'function', false, false, 'u']);
  });

  test.each([
    [
      'module',
      `import { isUtf8 } from 'buffer'; export default [typeof isUtf8, Buffer.concat([Buffer.from('aGk=', 'base64')]).toString()];`,
    ],
    [
      'commonjs',
      `const b = require('buffer'); module.exports = [typeof b.isUtf8, Buffer.concat([Buffer.from('aGk=', 'base64')]).toString()];`,
    ],
    [
      'commonjs',
      `const b = require('buffer'); if (typeof Buffer === 'undefined') { Buffer = b.Buffer } module.exports = ['function', globalThis.Buffer.from('hi').toString()];`,
    ],
  ])('finds Buffer as a global where it imports node:buffer (%s)', async (type, code) => {
    expect(await said(code, type)).toEqual(['function', 'hi']);
  });

  const DIGESTED = `[createHash('sha256').update('a').update(new Uint8Array([98])).digest('hex'), createHash('MD5').update('ab').digest('base64'),
    createHash('sha512').update('ab').digest('base64url'), createHash('sha384').update('ab').digest().toString('hex'), createHmac('sha1', 'key').update('ab').digest('hex')]`;
  test.each([
    ['module', `import { createHash, createHmac } from 'node:crypto'; export default ${DIGESTED};`],
    ['commonjs', `const { createHash, createHmac } = require('crypto'); module.exports = ${DIGESTED};`],
  ])('has the digests of node:crypto, and nothing else of it that needs a key (%s)', async (type, code) => {
    expect(await said(code, type)).toEqual([
      createHash('sha256').update('ab').digest('hex'),
      createHash('md5').update('ab').digest('base64'),
      createHash('sha512').update('ab').digest('base64url'),
      createHash('sha384').update('ab').digest('hex'),
      createHmac('sha1', 'key').update('ab').digest('hex'),
    ]);
    const { source } = await bundleOf(`import said from 'p'; export default said;`, {
      'p/package.json': JSON.stringify({ name: 'p', type: 'module', main: 'index.js' }),
      'p/index.js': `import { randomUUID } from 'crypto'; export default randomUUID();`,
    });
    expect(source).not.toContain('base64url');
    const refused = tried(`createHash('sha3-256')`);
    expect(await said(code.replace(DIGESTED, refused), type)).toEqual([
      'CORRAL_API_MISSING',
      expect.stringContaining(`createHash('sha3-256')`),
    ]);
    const compared = `[timingSafeEqual(new Uint8Array([1]), new Uint8Array([1]).buffer), ${tried(`timingSafeEqual('a', 'a')`)}[0]]`;
    const imports = (names: string) => code.replace('createHash, createHmac', names).replace(DIGESTED, compared);
    expect(await said(imports('timingSafeEqual'), type)).toEqual([true, 'ERR_INVALID_ARG_TYPE']);
  });

  test.each([
    ['module', `import { WritableStream } from 'node:stream/web'; export default WritableStream;`],
    ['commonjs', `module.exports = require('stream/web').WritableStream;`],
  ])('finds the streams of node:stream/web, which are globals (%s)', async (type, code) => {
    expect(await said(code, type)).toBe('the global one');
  });

  test('finds none where nothing imports node:buffer, so that it does without', async () => {
    expect(await said(`import { join } from 'path'; export default [typeof Buffer, join('a', 'b')];`)).toEqual(['undefined', 'a/b']);
  });

  test('gets an isolate with a process, whichever part it imports; the author’s own import is refused', async () => {
    const files = (code: string) => ({ 'p/package.json': '{"name":"p","type":"module","main":"index.js"}', 'p/index.js': code });
    const agent = `import x from 'p'; import { defineAgent } from '@corral/guest'; export default defineAgent({ name: 'a', run: () => x });`;
    for (const code of [
      `import process from 'node:process'; export default process.env;`,
      `import { EventEmitter } from 'events'; export default EventEmitter;`,
      `import { openSync } from 'fs'; export default openSync;`,
    ])
      expect(needsOf((await bundleOf(agent, files(code))).source).image).toBe('node');
    expect(needsOf((await bundleOf(agent, files('export default 1;'))).source).image).toBe('base');
    await expect(bundleOf(`import { readFileSync } from 'node:fs'; export default readFileSync;`)).rejects.toThrow(
      'node:fs is part of Node',
    );
  });

  test('is taken by another entry than that for Node, where there is one', async () => {
    const entries = (exports: object) => ({
      'p/package.json': JSON.stringify({ name: 'p', type: 'module', exports }),
      'p/node.js': `export default 'node';`,
      'p/other.js': `export default 'other';`,
    });
    const agent = `import x from 'p'; export default x;`;
    expect((await bundleOf(agent, entries({ '.': { node: './node.js', default: './other.js' } }))).source).toContain('"other"');
    expect((await bundleOf(agent, entries({ '.': { node: './node.js', browser: './other.js' } }))).source).toContain('"node"');
  });
});

test('a name that is missing when a package is loaded is told with the imports that led there, and what there is instead', async () => {
  const bundled = await bundleOf(
    `import 'p'; import { defineAgent } from '@corral/guest'; export default defineAgent({ name: 'a', run: () => 1 });`,
    {
      'p/package.json': '{"name":"p","type":"module","main":"index.js"}',
      'p/index.js': `import './deep.js'; globalThis.kept = 1;`,
      'p/deep.js': `import 'q'; globalThis.kept = 2;`,
      'q/package.json': '{"name":"q","type":"module","main":"index.js"}',
      'q/index.js': `globalThis.kept = Buffer.from([1]);`,
    },
  );
  const lines = bundled.describing.split('\n');
  const line = lines.findIndex((one) => one.includes('Buffer'));
  const at = `agent.js:${line + 1}:${(lines[line] ?? '').indexOf('Buffer') + 1}`;
  const refusal = new CorralError('CORRAL_BUNDLE_INVALID', `The bundle could not be loaded: Buffer is not defined (at ${at})`);
  await expect(inAuthorsWords(bundled, Promise.reject(refusal))).rejects.toThrow(
    /q\/index\.js:1:\d+\)\. .*agent\.ts imports the package p, which imports the package q\. .*`Uint8Array`/,
  );
});

describe('a bundle that uses node:async_hooks', () => {
  const packages = (code: string) => ({ 'p/package.json': '{"name":"p","type":"module","main":"index.js"}', 'p/index.js': code });
  const agent = `import { p } from 'p'; import { defineAgent } from '@corral/guest';
    async function* steps() { yield 1 }
    export default defineAgent({ name: 'a', async run() { for await (const one of steps()) await p();
      throw new Error('after an await') } });`;
  const uses = `import { AsyncLocalStorage } from 'async_hooks'; const s = new AsyncLocalStorage(); export const p = async () => s.getStore();`;

  test('has its async functions lowered, and no other bundle has, one in which the import is not used included', async () => {
    const { source } = await bundleOf(agent, packages(uses));
    expect(source).not.toMatch(/\basync\b(?!_)|for await/);
    expect(needsOf(source)).toMatchObject({ async_context: true, image: 'node' });
    const unused = (
      await bundleOf(agent, packages(`import { AsyncLocalStorage } from 'node:async_hooks'; export const p = async () => 1;`))
    ).source;
    expect(unused).toMatch(/async run\(\)/);
    expect(needsOf(unused).async_context).toBeUndefined();
  });

  test('has nothing left of the bundler’s own helpers, and its positions are those of the author', async () => {
    const { source, map } = await bundleOf(agent, packages(uses));
    expect(source).toContain('__async=globalThis.corral.asyncHooks.run');
    expect(source).not.toContain('fulfilled=');
    expect(source).not.toContain('generator[k]');
    // esbuild numbers the names in its helpers where a package has the same.
    const clashing = await bundleOf(
      agent,
      packages(`${uses} export function resolve() {} export function step() {} p.all = [resolve, step];`),
    );
    expect(clashing.source).toContain('.run ');
    expect(clashing.source).toContain('.generate(');
    expect(clashing.source).not.toContain('generator.next(');
    const lines = source.slice(0, source.indexOf('after an await')).split('\n');
    expect(linesBy(map)(`at agent.js:${lines.length}:${lines.at(-1)?.length ?? 0}`)).toMatch(/agent\.ts:4:\d+$/);
  });

  test('finds the classes of async functions', async () => {
    const { source } = await bundleOf(
      agent,
      packages(
        `${uses} export const a = Object.getPrototypeOf(async function () {}).constructor, b = Object.getPrototypeOf(async () => {}), c = (async () => {}).constructor, d = Object.getPrototypeOf(Object.getPrototypeOf(async function* () {}).prototype), e = (async function* () {}).constructor; p.all = [a, b, c, d, e];`,
      ),
    );
    expect(source.match(/asyncHooks\.Async(?:Generator)?Function\b/g)).toHaveLength(5);
  });

  test('is not made with an esbuild whose helpers are other ones', async () => {
    const { outputFiles } = await build({
      stdin: { contents: PROBE },
      bundle: true,
      write: false,
      format: 'iife',
      globalName: 'corralBundle',
      minifySyntax: true,
      minifyWhitespace: true,
      ...LOWERED,
    });
    const text = outputFiles[0]?.text ?? '';
    refuseOtherHelpers(text, '0');
    for (const [known, other, missing] of [
      ['Promise.resolve(x.value).then(', 'Promise.resolve(x.value).finally(', 'run'],
      ['method("next")', 'method("again")', 'generate'],
      ['return __async(this,null,', 'return __async(this,arguments,', 'AsyncFunction'],
      ['function(){return __asyncGenerator(this,null,', 'function(){return __asyncGenerator(this,[],', 'AsyncGeneratorFunction'],
    ] as const) {
      expect(text).toContain(known);
      const refused = expect.objectContaining({
        code: 'CORRAL_INTERNAL',
        message: expect.stringContaining(`(${missing})`) as string,
      }) as Error;
      expect(() => refuseOtherHelpers(text.replaceAll(known, other), '0')).toThrow(refused);
    }
  });

  test('may use it in the author’s own files', async () => {
    const own = `import { AsyncLocalStorage } from 'node:async_hooks'; import { defineAgent } from '@corral/guest'; const s = new AsyncLocalStorage();
      export default defineAgent({ name: 'a', run: async () => s.getStore() });`;
    expect(needsOf((await bundleOf(own)).source).async_context).toBe(true);
  });
});
