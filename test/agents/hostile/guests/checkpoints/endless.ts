/** Starts over by a checkpoint, for ever. It gains a new isolate for each, made by the host. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['exceeded(cpu_total)', 'exceeded(effects)'] };

export default defineAgent({
  name: 'endless',
  budget: { cpu_ms: 300 },
  ceilings: { effects: 2_000 },
  run: ({ state, checkpoint }) => checkpoint(Number(state ?? 0) + 1),
});
