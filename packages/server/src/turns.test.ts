import { expect, test } from 'vitest';
import { breathe, Turns } from './turns.ts';

test('requests that read a lot are done one after the other, also after one that failed; too many of them are told to come again', async () => {
  const turns = new Turns();
  let under = 0;
  const done: number[] = [];
  const work = (n: number) => async () => {
    expect(++under).toBe(1);
    await breathe();
    under -= 1;
    if (n === 1) throw new Error('no');
    done.push(n);
  };
  const all = Array.from({ length: 16 }, (_, n) => turns.take(work(n)));
  await expect(turns.take(work(99))).rejects.toMatchObject({ code: 'CORRAL_RATE_LIMITED' });
  expect((await Promise.allSettled(all)).map(({ status }) => status)).toEqual(all.map((_, n) => (n === 1 ? 'rejected' : 'fulfilled')));
  expect(done).toEqual([0, ...Array.from({ length: 14 }, (_, n) => n + 2)]);
  await turns.take(work(50));
  expect(done.at(-1)).toBe(50);
});
