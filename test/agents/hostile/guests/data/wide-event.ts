/** Emits an object of tens of thousands of members with names of their own. It gains time of whoever parses or compares it. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(crank_members)', vary: { keys: [6_000, 20_000] } };

export default defineAgent({
  name: 'wide-event',
  ceilings: { wall_ms: 20_000 },
  run({ input, emit }) {
    const { keys } = input as { keys: number };
    for (let i = 0; i < 10; i++) emit('x', Object.fromEntries(Array.from({ length: keys }, (_, k) => [`${k}`, 0])));
  },
});
