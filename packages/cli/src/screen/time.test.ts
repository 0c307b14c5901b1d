import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { clock, exact, moment } from './time.ts';

const AT = Date.UTC(2026, 10, 29, 7, 54, 25, 123);

test('times in the text of commands name their zone, wherever the terminal is', () => {
  expect([moment(AT), clock(AT), exact(AT), moment(null)]).toEqual([
    '2026-11-29T07:54:25Z',
    '07:54:25.123Z',
    '2026-11-29T07:54:25.123Z',
    '',
  ]);
});

// Twelve places of the commands each cut a time by themselves, and the zone with it.
test('no other module of the command line writes a time as text', () => {
  const folder = join(import.meta.dirname, '..');
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && name !== join('screen', 'time.ts'),
  );
  expect(sources.length).toBeGreaterThan(50);
  expect(sources.filter((name) => /\.to(?:ISO|UTC|Locale\w*|Time|Date)String\(/.test(readFileSync(join(folder, name), 'utf8')))).toEqual(
    [],
  );
});
