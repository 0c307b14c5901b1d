/** Replaces the function that puts effects together by one that throws, and one that returns no text. It gains a crank without a record. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'completed', output: 1 };

export default defineAgent({
  name: 'join-throws',
  ceilings: { wall_ms: 20_000 },
  run({ emit }) {
    emit('x');
    Array.prototype.join = () => {
      throw new Error('no');
    };
    return 1;
  },
});
