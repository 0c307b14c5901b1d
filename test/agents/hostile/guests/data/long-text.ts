/** Emits a text of a hundred million letters. It gains memory of whoever copies it before it is measured. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  // To measure it takes CPU time too: on a slow machine more than a crank may use.
  ends: ['failed(CORRAL_EFFECT_TOO_LARGE)', 'exceeded(memory)', 'exceeded(cpu)'],
  vary: { length: [300_000, 100_000_000] },
};

export default defineAgent({
  name: 'long-text',
  ceilings: { wall_ms: 20_000 },
  run({ input, emit }) {
    const { length } = input as { length: number };
    emit('x', 'é'.repeat(length));
  },
});
