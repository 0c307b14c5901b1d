/**
 * Builds the image: the prelude and its parts as plain scripts in one JSON file, named by the digest of what is in it.
 * Run by `npm run build`; a host only reads the result.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { bindGlobals, bindPrelude } from './bind.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Bundles a module into one expression whose value is the named export. */
async function expression(entry: string, name: string, plugins: Plugin[] = []): Promise<string> {
  const result = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'part',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['import', 'default'],
    target: 'es2024',
    minify: true,
    plugins,
    inject: [here('./parts/shared-array-buffer.ts')],
    legalComments: 'none',
    logLevel: 'error',
  });
  return `(()=>{${result.outputFiles[0]?.text ?? ''}return part.${name}})()`;
}

const image = {
  prelude: await expression(here('../../packages/guest/src/prelude/main.ts'), 'prelude', [
    bindPrelude(here('../../packages/guest/src/prelude')),
  ]),
  parts: {
    web: await expression(here('./parts/web.ts'), 'default', [bindGlobals]),
    encodings: await expression(here('./parts/encodings.ts'), 'default'),
    url: await expression(here('./parts/url.ts'), 'default'),
    crypto: await expression(here('./parts/crypto.ts'), 'default', [bindGlobals]),
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
