/** Emits a value that holds itself. It gains the stack or the time of whoever walks through it. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'failed(CORRAL_JSON_UNSUPPORTED)' };

export default defineAgent({
  name: 'cycle',
  ceilings: { wall_ms: 20_000 },
  run({ emit }) {
    const all: unknown[] = [];
    all.push({ all });
    emit('x', all);
  },
});
