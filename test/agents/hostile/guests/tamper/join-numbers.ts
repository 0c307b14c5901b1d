/** Replaces the function that puts effects together, and writes a number that is too large for a double. It gains a value that people are shown as null. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'failed(stalled)' };

export default defineAgent({
  name: 'join-numbers',
  ceilings: { wall_ms: 20_000 },
  async run({ emit }) {
    emit('x');
    Array.prototype.join = () => '{"kind":"emit","event":"x","data":1e400}';
    await new Promise(() => undefined);
  },
});
