/** Emits a value that nests a hundred thousand levels. It gains the stack of whoever reads it by recursion. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'failed(CORRAL_JSON_UNSUPPORTED)', vary: { levels: [65, 200_000] } };

export default defineAgent({
  name: 'deep-event',
  ceilings: { wall_ms: 20_000 },
  run({ input, emit }) {
    const { levels } = input as { levels: number };
    let deep: unknown = 0;
    for (let i = 0; i < levels; i++) deep = [deep];
    emit('x', deep);
  },
});
