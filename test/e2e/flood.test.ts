/** Many runs at once: whatever they hold, all that was admitted ends, and a tenant's pile is its own. */
import { describe, expect, test } from 'vitest';
import { readingTool, world } from '../world.ts';

const CALLER = `{ name: 'caller', uses: { now: 'tool:now' }, run: ({ caps }) => caps.now({}) }`;

describe('a flood of runs', () => {
  test('drains, though a cell holds few of them', async () => {
    const w = await world([readingTool('now', () => 'now')], { cell_memory_mib: 128 });
    const version = await w.deploy(CALLER);
    const all = await Promise.all(Array.from({ length: 1_500 }, () => w.submit(version)));
    const outcomes = await Promise.all(all.map(({ ended }) => ended));
    expect(outcomes.filter(({ kind }) => kind !== 'completed')).toEqual([]);
  }, 120_000);
});
