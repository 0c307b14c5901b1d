/** Generates a function of a million statements and has it compiled. It gains memory and time of the compiler, from a text that repeats itself. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  // isolated-vm compiles no text that is longer than an eighth of the isolate's memory; V8 throws an EvalError then.
  ends: ['exceeded(memory)', 'exceeded(cpu)', 'completed', 'failed(CORRAL_AGENT_THREW)'],
  vary: { size: [200_000, 1_000_000] },
};

export default defineAgent({
  name: 'one-huge-function',
  ceilings: { crank_cpu_ms: 500 },
  budget: { cpu_ms: 30_000 },
  run({ input }) {
    const { size } = input as { size: number };
    return (new Function('x', `${'x = (x * 31 + 7) | 0;'.repeat(size)}return x;`) as (x: number) => number)(1);
  },
});
