/** Emits a text of letters that JSON writes six times as long. It gains memory, if sizes are counted before they are written. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'failed(CORRAL_EFFECT_TOO_LARGE)', vary: { length: [50_000, 500_000] } };

export default defineAgent({
  name: 'escaped-text',
  ceilings: { wall_ms: 20_000 },
  run({ input, emit }) {
    const { length } = input as { length: number };
    emit('x', '\u0001\ud800'.repeat(length));
  },
});
