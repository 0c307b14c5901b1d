/**
 * The command line as others install it, without the rest of the package: `packages/corral/dist`. Tests start it hundreds of times, and it
 * starts in a third of the time of its sources, whose some hundred files Node reads one by one.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { bundleCorral } from './pack/bundle.ts';
import { inRoot } from './pack/packages.ts';

/** Milliseconds for which the files of an older build are kept, because processes that were started from it may still load them. */
const KEPT_MS = 24 * 3_600_000;

const to = inRoot('packages/corral/dist');
const caches = inRoot('node_modules/.cache');
mkdirSync(caches, { recursive: true });
const made = mkdtempSync(join(caches, 'corral-'));
try {
  await bundleCorral(made);
  const files = filesOf(made);
  for (const file of files) take(join(made, file), join(to, file));
  for (const file of filesOf(join(to, 'dist')))
    if (!files.includes(join('dist', file)) && statSync(join(to, 'dist', file)).mtimeMs < Date.now() - KEPT_MS)
      rmSync(join(to, 'dist', file));
} finally {
  rmSync(made, { recursive: true });
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(join(folder, name)).isFile());
}

/** Other tests may be starting the same file, so it is replaced at once, and only if it has changed. */
function take(from: string, file: string): void {
  if (existsSync(file) && readFileSync(file).equals(readFileSync(from))) return;
  mkdirSync(dirname(file), { recursive: true });
  renameSync(from, file);
}
