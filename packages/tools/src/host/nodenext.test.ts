/** A configuration that imports the sources of a repository as `module: nodenext` has them: by the names of the compiled files. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { ToolHost } from './tool-host.ts';
import type { CodeFiles } from './wire.ts';

async function opened(folder: string, files: CodeFiles = {}): Promise<ToolHost> {
  const url = pathToFileURL(join(folder, 'corral.config.ts')).href;
  const never = () => Promise.reject(new Error('no secrets here'));
  const host = await ToolHost.open({ url, lent: {}, env: process.env, secret: never, tell: () => undefined, files });
  onTestFinished(() => host.close(0));
  return host;
}

async function written(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'corral-nodenext-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries({ 'package.json': '{ "type": "module" }', ...files }))
    await writeFile(join(folder, name), text);
  return folder;
}

const FILES = {
  'corral.config.ts': `import { orders } from './orders.js'; import { built } from './built.js'; export default { answer: { orders, built } };`,
  'orders.ts': `import { prices } from './prices.mjs'; export const orders: unknown = { prices };`,
  'prices.mts': `import old from './old.cjs'; export const prices: number[] = [old.price];`,
  'old.cts': `const { price } = require('./older.cjs'); module.exports = { price };`,
  'older.cts': `const price: number = 7; module.exports = { price };`,
  'built.js': `export const built = 'as JavaScript';`,
  'built.ts': `export const built: string = 'as TypeScript';`,
};
const ANSWER = { answer: { orders: { prices: [7] }, built: 'as JavaScript' } };

test('imports of .js, .mjs and .cjs lead to .ts, .mts and .cts where there is nothing else, transitively, and on kept texts too', async () => {
  const folder = await written(FILES);
  const { loaded } = await opened(folder);
  expect(loaded.rest).toEqual(ANSWER);
  const names = Object.keys(loaded.files).map((url) => url.slice(url.lastIndexOf('/') + 1));
  expect(names.sort()).toEqual(['built.js', 'corral.config.ts', 'old.cts', 'older.cts', 'orders.ts', 'prices.mts']);
  // Those texts hold when the files have changed, or are gone.
  await writeFile(join(folder, 'prices.mts'), 'export const prices = [8];');
  await rm(join(folder, 'orders.ts'));
  expect((await opened(folder, loaded.files)).loaded.rest).toEqual(ANSWER);
});

test('an import that leads nowhere is told by the name that its author wrote', async () => {
  const folder = await written({ 'corral.config.ts': `import './nothing.js'; export default {};` });
  await expect(opened(folder)).rejects.toThrow(/nothing\.js/);
  // A package that the source lacks is told, not the source itself.
  const other = await written({
    'corral.config.ts': `import './orders.js'; export default {};`,
    'orders.ts': `import 'a-package-that-is-not-there';`,
  });
  await expect(opened(other)).rejects.toThrow(/a-package-that-is-not-there/);
});

// `npm init -y` makes such a package, and the guides name the configuration corral.config.ts.
test('in a package of CommonJS the configuration and its sources may be written as modules, and on kept texts too', async () => {
  const folder = await written({
    'package.json': '{ "type": "commonjs" }',
    'corral.config.ts': `import { orders } from './orders.js';\nimport old from './old.js';\nexport default { answer: { orders, old } };\n`,
    'orders.ts': `export const orders: number = 3;\n`,
    'old.ts': `const { price } = require('./older.ts') as { price: number };\nmodule.exports = price;\n`,
    'older.ts': `const price: number = 7;\nmodule.exports = { price };\n`,
  });
  const { loaded } = await opened(folder);
  expect(loaded.rest).toEqual({ answer: { orders: 3, old: 7 } });
  await rm(join(folder, 'orders.ts'));
  expect((await opened(folder, loaded.files)).loaded.rest).toEqual({ answer: { orders: 3, old: 7 } });
});
