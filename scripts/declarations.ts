/** Part of `npm run typecheck`: the declarations of each published entry can be written, with all that they name. `npm run pack` writes them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PUBLISHED } from './pack/packages.ts';
import { collect, emit } from './pack/types.ts';

const folder = mkdtempSync(join(tmpdir(), 'corral-types-'));
try {
  const emitted = join(folder, 'emitted');
  emit(emitted);
  for (const [at, { entries }] of PUBLISHED.entries()) collect(entries, emitted, join(folder, `${at}`));
} finally {
  rmSync(folder, { recursive: true });
}
