/** Comma-separated values: quoting, and cells that a spreadsheet would compute. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { csvText } from './csv.ts';

const one = (cell: string | number | null) => csvText({ columns: ['name'], rows: [[cell]] }, false);

test('quotes what separates cells and lines, and writes numbers and missing values as they are', () => {
  expect(csvText({ columns: ['a', 'b', 'c'], rows: [['x,y', -1.5, null]] })).toBe('a,b,c\r\n"x,y",-1.5,\r\n');
  expect(one('say "hi"')).toBe('"say ""hi"""\r\n');
  expect(one('two\nlines')).toBe('"two\nlines"\r\n');
});

test.each([
  ['=HYPERLINK("http://evil")'],
  ['+1'],
  ['-2+3'],
  ['@SUM(A1)'],
  ['\t=1'],
  ['\r=1'],
  [' =1'],
  ['\u200B=1'],
  ['＝1'],
  ['|calc'],
  ['%0A=1'],
])('a spreadsheet does not compute %j', (text) => {
  // The apostrophe is the first character of the cell, within its quotes.
  expect(one(text)).toMatch(/^"?'/);
});

test('no text becomes more than one cell, and none begins with a sign of a formula', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const written = one(text).slice(0, -2);
      const inner = written.startsWith('"') ? written.slice(1, -1).replaceAll('""', '"') : written;
      expect(written.startsWith('"') || !/[",\r\n]/.test(written)).toBe(true);
      expect(/^[=+\-@\t\r]/.test(inner)).toBe(false);
      expect(inner === text || inner === `'${text}`).toBe(true);
    }),
  );
});
