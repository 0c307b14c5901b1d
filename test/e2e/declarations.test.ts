/** What is published has types of its own: test/e2e/outside installs them, which is long; here they are written. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { PUBLISHED } from '../../scripts/pack/packages.ts';
import { collect, emit } from '../../scripts/pack/types.ts';

test('the declarations of each published entry can be written, with all that they name', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'corral-types-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  emit(join(folder, 'emitted'));
  for (const [at, published] of PUBLISHED.entries()) {
    const dist = join(folder, `${at}`);
    const named = collect(published.entries, join(folder, 'emitted'), dist);
    for (const { to } of published.entries) expect(existsSync(join(dist, `${to}.d.ts`))).toBe(true);
    expect([...named].filter((name) => name.startsWith('@corral/'))).toEqual([]);
  }
});
