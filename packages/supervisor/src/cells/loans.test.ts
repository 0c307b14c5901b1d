import { expect, test } from 'vitest';
import { MACHINE } from '@corral/protocol/limits';
import type { Cell } from './cell.ts';
import { Loans, sharesOf } from './loans.ts';

/** Loans of made-up cells, with the borrowers so far, in order. */
function lender(most: number, each: number, cells = 100) {
  const lent: string[] = [];
  let left = cells;
  const loans = new Loans({ most, each, borrow: () => (left-- > 0 ? ({} as Cell) : undefined) });
  const borrow = async (who: string): Promise<Cell> => {
    const cell = await loans.borrow(who);
    lent.push(who);
    return cell;
  };
  return { loans, lent, borrow };
}
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('a tenant has a share of the cells that are lent, and the next one gets its own at once', async () => {
  const { loans, lent, borrow } = lender(4, 2);
  const first = borrow('crew');
  for (let i = 0; i < 9; i++) void borrow('crew');
  await settled();
  expect(lent).toEqual(['crew', 'crew']);
  void borrow('zoo');
  await settled();
  expect(lent).toEqual(['crew', 'crew', 'zoo']);
  loans.gone(await first);
  loans.gone({} as Cell);
  await settled();
  expect(lent).toEqual(['crew', 'crew', 'zoo', 'crew']);
});

test('tenants take turns when all cells that may be lent are out', async () => {
  const { loans, lent, borrow } = lender(1, 1);
  const all = [borrow('a'), borrow('a'), borrow('a'), borrow('b'), borrow('c')];
  for (const i of [0, 1, 3, 4, 2]) {
    loans.gone(await (all[i] as Promise<Cell>));
    await settled();
  }
  expect(lent).toEqual(['a', 'a', 'b', 'c', 'a']);
});

test('a tenant with the maximum of waiting requests is refused; another tenant is not', async () => {
  const { loans, borrow } = lender(2, 1);
  await borrow('crew');
  const most = MACHINE.loans_waiting.default;
  const waiting = Array.from({ length: most }, () => borrow('crew'));
  await expect(borrow('crew')).rejects.toMatchObject({ code: 'CORRAL_RATE_LIMITED', message: expect.stringContaining('crew') });
  await borrow('zoo');
  loans.close();
  expect((await Promise.allSettled(waiting)).map(({ status }) => status)).toEqual(waiting.map(() => 'rejected'));
});

test('a request is refused when no cell can be had', async () => {
  const { borrow } = lender(2, 1, 0);
  await expect(borrow('crew')).rejects.toMatchObject({ code: 'CORRAL_CELL_START' });
});

test('shares leave most of a host’s cells to runs', () => {
  for (let cells = 4; cells <= 64; cells++) {
    const { most, each } = sharesOf(cells);
    expect(each).toBeGreaterThan(0);
    expect(each).toBeLessThanOrEqual(most);
    expect(most).toBeLessThanOrEqual(cells / 4);
  }
  expect(sharesOf(1)).toEqual({ most: 1, each: 1 });
});
