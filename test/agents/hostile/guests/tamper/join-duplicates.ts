/** Replaces the function that puts effects together, and names members twice. It gains two readers that see two values. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'failed(stalled)' };

export default defineAgent({
  name: 'join-duplicates',
  ceilings: { wall_ms: 20_000 },
  async run({ emit }) {
    emit('x');
    Array.prototype.join = () => '{"kind":"log","level":"info","text":"a","kind":"emit","event":"x","event":1}';
    await new Promise(() => undefined);
  },
});
