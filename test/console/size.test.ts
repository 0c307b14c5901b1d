/** How much a browser has to load, as it is sent. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';

const FIRST_BYTES = 60 * 1024;
const PART_BYTES = 25 * 1024;

const page = fileURLToPath(import.meta.resolve('@corral/console/index.html'));
const folder = dirname(page);
const sent = (file: string) => gzipSync(readFileSync(join(folder, file)), { level: 9 }).length;

test('the first page is at most 60 KiB, each later part at most 25 KiB, and none names another place', () => {
  expect(existsSync(page)).toBe(true);
  const html = readFileSync(page, 'utf8');
  const first = [...html.matchAll(/(?:src|href)="\/console\/([^"]+)"/g)].map(([, file]) => file ?? '');
  expect(first.some((file) => file.endsWith('.js')) && first.some((file) => file.endsWith('.css'))).toBe(true);
  expect(sent('index.html') + first.reduce((sum, file) => sum + sent(file), 0)).toBeLessThanOrEqual(FIRST_BYTES);
  const parts = readdirSync(join(folder, 'assets')).filter((file) => !first.includes(`assets/${file}`));
  // Views that are loaded later are parts of their own.
  expect(parts.length).toBeGreaterThan(1);
  for (const file of parts) expect({ file, fits: sent(`assets/${file}`) <= PART_BYTES }).toEqual({ file, fits: true });
  for (const file of ['index.html', ...readdirSync(join(folder, 'assets')).map((one) => `assets/${one}`)]) {
    const named = readFileSync(join(folder, file), 'utf8').match(/https?:\/\/[^\s"'`)]+/g) ?? [];
    // Names of XML's kinds of elements look like addresses, and nobody asks them.
    expect(named.filter((address) => !address.startsWith('http://www.w3.org/'))).toEqual([]);
  }
});
