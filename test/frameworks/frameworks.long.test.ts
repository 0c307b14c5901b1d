/**
 * Makes docs/frameworks.md again: each cell is measured, one that is red needs a reason in rows.ts, and a reason that no cell needs is
 * refused. `CORRAL_FRAMEWORKS=FOLDER` keeps the installed packages there; without all rows (`-t NAME`) no page is written.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { notPrinted, OF_FRAMEWORKS } from '../e2e/guide.ts';
import { shortFolder } from '../front.ts';
import { install, pinned } from './install.ts';
import { isGreen, pageOf, type Measured } from './page.ts';
import { ROWS, type Row } from './rows.ts';
import { Stage, WHATS, type Cell, type What } from './table.ts';

const PAGE = fileURLToPath(new URL('../../docs/frameworks.md', import.meta.url));
const ends: (() => unknown)[] = [];
const measured = new Map<Row, Measured>();
let stage: Stage;
let folder: string;

beforeAll(async () => {
  const finished = (end: () => unknown) => ends.push(end);
  folder = process.env['CORRAL_FRAMEWORKS'] ?? (await shortFolder(finished));
  install(folder);
  stage = await Stage.begin(finished);
}, 900_000);

afterAll(async () => {
  for (const end of ends.toReversed()) await end();
}, 60_000);

test.each(ROWS.map((row) => [row.title, row] as const))('%s', async (_, row) => {
  await stage.deploy(join(folder, 'agents', `${row.name}.ts`));
  const cells: Partial<Record<What, Cell>> = {};
  for (const what of WHATS) {
    if (what === 'interrupt' && row.interrupts !== true) continue;
    const cell = (cells[what] = await stage.cell(row.name, what));
    console.log(`${row.title}, ${what}: ${isGreen(cell) ? 'ok' : JSON.stringify(cell)}`);
  }
  const red = WHATS.filter((what) => cells[what] !== undefined && !isGreen(cells[what]));
  expect(red).toEqual(Object.keys(row.lacks));
  measured.set(row, cells);
});

test.each(OF_FRAMEWORKS)('%s does what it says, as typed', { timeout: 600_000 }, async (name) => {
  expect(await notPrinted(name, folder)).toEqual([]);
});

test('the page has what was measured, if all rows were', async () => {
  expect([...measured.keys()]).toEqual(ROWS);
  const before = await readFile(PAGE, 'utf8').catch(() => '');
  const page = pageOf([...measured], pinned());
  await writeFile(PAGE, page);
  if (before !== page) console.log('docs/frameworks.md has changed; commit it.');
});
