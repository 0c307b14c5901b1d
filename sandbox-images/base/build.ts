/**
 * Builds the image: the prelude and its parts as plain scripts in one JSON file, named by the digest of what is in it.
 * Run by `npm run build`; a host only reads the result.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { bindGlobals, bindPrelude } from './bind.ts';
import { nodeStubs } from './node-stubs.ts';
import { urlTables } from './url-tables.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Bundles a module with one export into one expression whose value is that. */
async function expression(entry: string, plugins: Plugin[] = [], inject: string[] = []): Promise<string> {
  const result = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    // A function with the exports as properties would be made and read in every isolate.
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['import', 'default'],
    target: 'es2024',
    minify: true,
    plugins,
    inject: [here('./parts/shared-array-buffer.ts'), ...inject],
    legalComments: 'none',
    logLevel: 'error',
  });
  const text = result.outputFiles[0]?.text ?? '';
  const [statement = '', local] = /export\{([\w$]+)(?: as \w+)?\};\s*$/.exec(text) ?? [];
  if (local === undefined) throw new Error(`${entry}: this is to have one export.`);
  return `(()=>{"use strict";${text.slice(0, -statement.length)}return ${local}})()`;
}

/** Gives undici the tee that the standard asks for where a body is cloned. */
const teeOfBodies: Plugin = {
  name: 'tee-of-bodies',
  setup(esbuild) {
    let times = 0;
    esbuild.onEnd(() => {
      if (times !== 1) throw new Error(`undici clones bodies in ${times} places that build.ts knows, and not in 1.`);
    });
    esbuild.onLoad({ filter: /[\\/]undici[\\/]lib[\\/]web[\\/]fetch[\\/]body\.js$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      times += text.split('body.stream.tee()').length - 1;
      const contents = `const { teeCopied } = require(${JSON.stringify(here('./parts/tee.ts'))});\n${text.replace('body.stream.tee()', 'teeCopied(body.stream)')}`;
      return { contents, loader: 'js' };
    });
  },
};

const image = {
  prelude: await expression(here('../../packages/guest/src/prelude/main.ts'), [bindPrelude(here('../../packages/guest/src/prelude'))]),
  parts: {
    web: await expression(here('./parts/web.ts'), [bindGlobals]),
    structuredClone: await expression(here('./parts/structured-clone.ts'), [bindGlobals]),
    encodings: await expression(here('./parts/encodings.ts')),
    url: await expression(here('./parts/url.ts'), [urlTables]),
    idna: await expression(here('./parts/idna.ts')),
    crypto: await expression(here('./parts/crypto.ts'), [bindGlobals]),
    streams: await expression(here('./parts/streams.ts')),
    blob: await expression(here('./parts/blob.ts')),
    context: await expression(here('./parts/context.ts')),
    ai: await expression(here('./parts/ai.ts')),
    fetching: await expression(here('./parts/fetching.ts')),
    node: await expression(here('./parts/node.ts')),
    fetch: await expression(here('./parts/fetch.ts'), [nodeStubs, teeOfBodies], [here('./parts/node-globals.ts')]),
  },
};
const digest = `sha256:${createHash('sha256').update(JSON.stringify(image)).digest('hex')}`;
mkdirSync(here('./dist'), { recursive: true });
const target = here('./dist/image.json');
// Written beside and moved into place, so that a reader never sees half an image.
writeFileSync(`${target}.${process.pid}`, JSON.stringify({ name: 'base', digest, ...image }));
renameSync(`${target}.${process.pid}`, target);
console.log(
  `image base ${digest.slice(0, 19)}… prelude ${image.prelude.length} bytes, parts ${Object.entries(image.parts)
    .map(([name, text]) => `${name} ${text.length}`)
    .join(', ')}`,
);
