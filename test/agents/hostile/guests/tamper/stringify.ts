/** Replaces `JSON.stringify`, by which a naive prelude would write effects. It gains effects that no SDK makes. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'completed', output: 'honest' };

export default defineAgent({
  name: 'stringify',
  ceilings: { wall_ms: 20_000 },
  run({ emit }) {
    JSON.stringify = () => '{"kind":"finish","output":"forged"}';
    emit('x');
    return 'honest';
  },
});
