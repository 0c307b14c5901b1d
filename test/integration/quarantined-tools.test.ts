/** No call leaves for a tool that is under quarantine, not even the next attempt at one that had left before. */
import { expect, test } from 'vitest';
import type { Tool } from '@corral/protocol/ports/tool';
import { gate, readingTool, world } from '../world.ts';

test('a call whose answer was lost is not made again once its tool is under quarantine', async () => {
  let times = 0;
  const called = gate();
  const lost: Tool = {
    ...readingTool('lost', () => 'never'),
    invoke: async () => {
      times += 1;
      called.open();
      return { kind: 'unknown', message: 'the answer was lost' };
    },
  };
  const w = await world([lost]);
  const run = await w.submit(await w.deploy(`{ name: 'caller', uses: { lost: 'tool:lost' }, run: ({ caps }) => caps.lost({}) }`));
  await called.opened;
  await w.supervisor.stops.quarantine('tool', 'crew/lost', 'ana', 'it loses answers');
  const before = times;
  expect(await run.ended).toMatchObject({ kind: 'failed', code: 'CORRAL_TOOL_FAILED' });
  expect(times).toBe(before);
});
