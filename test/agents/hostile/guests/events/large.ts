/** Emits events of a quarter of a megabyte, sixteen in each crank, as long as it may. It gains memory of a window that counts events and not bytes. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['exceeded(journal_bytes)', 'completed'], vary: { cranks: [4, 15] } };

export default defineAgent({
  name: 'large',
  ceilings: { wall_ms: 20_000 },
  async run({ input, emit, sleep }) {
    const { cranks } = input as { cranks: number };
    for (let k = 0; k < cranks; k++) {
      for (let i = 0; i < 16; i++) emit('x', 'y'.repeat(250_000) + String(k) + String(i));
      await sleep(0);
    }
  },
});
