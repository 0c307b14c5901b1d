/** Builds what the tests run: the cell, the sandbox image and the console, as a host would be given them, and the command line as others install it. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Both projects of `npm test` ask for it. */
const BUILT = Symbol.for('corral.tests.built');

export default function setup(): void {
  if (Reflect.get(globalThis, BUILT) === true) return;
  for (const script of ['packages/cell/build.ts', 'sandbox-images/base/build.ts', 'packages/console/build.ts', 'scripts/bundle.ts'])
    execFileSync(process.execPath, [script], { cwd: root });
  Reflect.set(globalThis, BUILT, true);
}
