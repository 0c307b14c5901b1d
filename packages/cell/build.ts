/**
 * Bundles the cell into one script: it starts in half the time, holds a third less memory, and a wall around it need let in
 * fewer files than if it read its sources.
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const target = here('./dist/main.js');
const { outputFiles } = await build({
  entryPoints: [here('./src/main.ts')],
  outfile: target,
  write: false,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  external: ['isolated-vm'],
  legalComments: 'none',
  logLevel: 'error',
});
mkdirSync(here('./dist'), { recursive: true });
// Written beside and moved into place, so that a host that starts a cell meanwhile never runs half a script.
for (const { contents } of outputFiles) writeFileSync(`${target}.${process.pid}`, contents);
renameSync(`${target}.${process.pid}`, target);
console.log('cell dist/main.js');
