/** Compares long texts by the rules of a language, in a sort. It gains CPU time inside of ICU. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 }, memory_mib: 512, vary: { size: [2_000, 200_000] } };

export default defineAgent({
  name: 'collate',
  ceilings: { crank_cpu_ms: 200, memory_mib: 512 },
  run({ input }) {
    const { size } = input as { size: number };
    const all = Array.from({ length: 100 }, (_, i) => 'æøå'.repeat(size) + String(i));
    const { compare } = new Intl.Collator('de-u-co-phonebk');
    for (;;) all.sort(compare);
  },
});
