import { expect, test } from 'vitest';
import { world } from '../world.ts';

// The operating system takes what is sent to a cell in parts, and the cell answers the first part before the last is taken.
test('runs whose inputs are sent to one cell together, and are longer than it is sent at once, are read and answered', async () => {
  const w = await world([], { cellsPerTenant: 1 });
  const version = await w.deploy(`{ name: 'reads', async run({ input }) { return input.text.length } }`);
  const runs = await Promise.all(Array.from({ length: 8 }, (_, i) => w.submit(version, { text: `${i}`.padEnd(200_000, 'z') })));
  expect(await Promise.all(runs.map(({ ended }) => ended))).toEqual(runs.map(() => ({ kind: 'completed', output: 200_000 })));
});
