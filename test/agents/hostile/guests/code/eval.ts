/** Generates code that computes for ever, by every way there is. It gains CPU time of code that was not there when the bundle was looked at. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 }, vary: { way: [0, 3] } };

export default defineAgent({
  name: 'eval',
  ceilings: { crank_cpu_ms: 200 },
  run({ input }) {
    const { way } = input as { way: number };
    const loop = 'for (;;);';
    const ways = [
      () => (0, eval)(loop),
      () => new Function(loop)(),
      () => (function* () {}.constructor as FunctionConstructor)(loop)().next(),
      () => [].constructor.constructor(loop)(),
    ];
    return ways[way]?.();
  },
});
