import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporary } from '../../world.ts';
import { Rows } from './rows.ts';

const bytesOf = (...numbers: number[]) => Buffer.from(Float64Array.from(numbers).buffer);

test('rows are read as they are appended, and half a row once the rest of it is there', async () => {
  const file = join(await temporary(), 'rows');
  const rows = new Rows(file, 2);
  expect(rows.read()).toEqual([]);
  const bytes = bytesOf(1, 2, 3, 4);
  appendFileSync(file, bytes.subarray(0, 27));
  expect(rows.read()).toEqual([[1, 2]]);
  appendFileSync(file, bytes.subarray(27));
  expect(rows.read()).toEqual([
    [1, 2],
    [3, 4],
  ]);
  const many = Array.from({ length: 50_000 }, (_, i) => i);
  appendFileSync(file, bytesOf(...many));
  expect(rows.read()).toHaveLength(2 + many.length / 2);
  expect(rows.read().at(-1)).toEqual([49_998, 49_999]);
  rows.close();
});
