/** Emits a value that is small when it is measured and huge when it is written. It gains a size that nobody has checked. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'failed(CORRAL_EFFECT_TOO_LARGE)' };

export default defineAgent({
  name: 'changing-getter',
  ceilings: { wall_ms: 20_000 },
  run({ emit }) {
    let reads = 0;
    emit('x', {
      get value() {
        reads += 1;
        return reads < 3 ? 'small' : 'x'.repeat(1_000_000);
      },
    });
    emit('y', reads);
    emit('z', 'x'.repeat(1_000_000));
  },
});
