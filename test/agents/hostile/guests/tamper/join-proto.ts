/** Replaces the function that puts effects together, and names members like `__proto__` and `constructor`. It gains a prototype on the host. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'completed', output: true };

export default defineAgent({
  name: 'join-proto',
  ceilings: { wall_ms: 20_000 },
  run({ emit }) {
    emit('x', JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'));
    return true;
  },
});
