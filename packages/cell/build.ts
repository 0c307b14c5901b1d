/**
 * Bundles the cell into one script. A bundled cell starts in half the time, uses a third less memory, and its wall has to let in
 * fewer files.
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
// Written under another name and renamed, so that a host which starts a cell meanwhile never runs a partial script.
for (const { contents } of outputFiles) writeFileSync(`${target}.${process.pid}`, contents);
renameSync(`${target}.${process.pid}`, target);
console.log('cell dist/main.js');
