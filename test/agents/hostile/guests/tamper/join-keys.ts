/** Replaces the function that puts a crank’s effects together by one that returns an object of a million names. It gains a parser on the host that is busy for seconds. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: 'failed(stalled)',
  vary: { keys: [200_000, 400_000] },
};

export default defineAgent({
  name: 'join-keys',
  ceilings: { crank_cpu_ms: 5_000, memory_mib: 512 },
  async run({ input, emit }) {
    const { keys } = input as { keys: number };
    emit('x');
    const text = `[{"kind":"emit","event":"x","data":{${Array.from({ length: keys }, (_, i) => `"${i}":0`).reduce((all, one) => `${all},${one}`)}}}]`;
    Array.prototype.join = () => text.slice(1, -1);
    await new Promise(() => undefined);
  },
});
