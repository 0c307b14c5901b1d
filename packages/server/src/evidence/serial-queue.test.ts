import { expect, test } from 'vitest';
import { breathe, Turns } from './serial-queue.ts';

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
  const all = Array.from({ length: 16 }, (_, n) => turns.take('crew', work(n)));
  await expect(turns.take('crew', work(99))).rejects.toMatchObject({ code: 'CORRAL_RATE_LIMITED' });
  expect((await Promise.allSettled(all)).map(({ status }) => status)).toEqual(all.map((_, n) => (n === 1 ? 'rejected' : 'fulfilled')));
  expect(done).toEqual([0, ...Array.from({ length: 14 }, (_, n) => n + 2)]);
  await turns.take('crew', work(50));
  expect(done.at(-1)).toBe(50);
});

test('tenants take turns, and as many of one as may wait keep nobody else out', async () => {
  const turns = new Turns();
  const done: string[] = [];
  const work = (name: string) => async () => {
    await breathe();
    done.push(name);
  };
  const crew = Array.from({ length: 16 }, (_, n) => turns.take('crew', work(`crew ${n}`)));
  await expect(turns.take('crew', work('one too many'))).rejects.toMatchObject({ code: 'CORRAL_RATE_LIMITED' });
  await turns.take('zoo', work('zoo'));
  expect(done).toEqual(['crew 0', 'crew 1', 'zoo']);
  await Promise.all(crew);
  expect(done).toHaveLength(17);
});
