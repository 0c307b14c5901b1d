import { expect, test } from 'vitest';
import { shapeOf } from './shape.ts';

const base = { tenant: 'local', agent: 'buyer', tool: 'pay', input: { to: 'Ann', amount: 5, items: [1, 2] } };
const of = (more: Partial<Parameters<typeof shapeOf>[0]>) => shapeOf({ ...base, ...more });

test('calls that differ in values alone have one shape, whatever the order of their arguments and the length of lists', () => {
  expect(of({ input: { items: [9], amount: 900, to: 'Bob' } })).toBe(of({}));
});

test('another tenant, agent, tool, name or type is another shape', () => {
  const others = [
    { tenant: 'other' },
    { agent: 'seller' },
    { tool: 'pay.all' },
    { input: { to: 'Ann', amount: '5', items: [1, 2] } },
    { input: { to: 'Ann', amount: 5, items: ['1'] } },
    { input: { to: 'Ann', amount: 5 } },
    { input: { to: 'Ann', amount: 5, items: [1], note: 'x' } },
  ];
  const shapes = [of({}), ...others.map((one) => of(one))];
  expect(new Set(shapes).size).toBe(shapes.length);
});

test('arguments of any size and depth have a shape', () => {
  let deep: unknown = 1;
  for (let i = 0; i < 500; i++) deep = { deep };
  expect(of({ input: { deep, wide: Array.from({ length: 100_000 }, (_, i) => ({ i })) } as never })).toHaveLength(16);
});
