/** Joins arrays that hold one array many times over. It gains CPU time and memory from a few bytes. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['exceeded(cpu)', 'exceeded(memory)'], limit: { cpu_ms: 200 }, vary: { levels: [24, 28] } };

export default defineAgent({
  name: 'array-join',
  ceilings: { crank_cpu_ms: 200 },
  run({ input }) {
    const { levels } = input as { levels: number };
    let all: unknown[] = [1];
    for (let i = 0; i < levels; i++) all = [all, all];
    return all.join('-').length;
  },
});
