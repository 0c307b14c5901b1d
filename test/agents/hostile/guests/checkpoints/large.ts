/** Starts over with a state of a quarter of a megabyte, again and again. It gains a copy of it on the disk for each. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['exceeded(cpu_total)', 'exceeded(journal_bytes)'] };

export default defineAgent({
  name: 'large',
  budget: { cpu_ms: 1_000 },
  ceilings: { journal_bytes: 2 ** 23 },
  run: ({ state, checkpoint }) => checkpoint({ i: Number((state as { i: number } | undefined)?.i ?? 0) + 1, text: 's'.repeat(250_000) }),
});
