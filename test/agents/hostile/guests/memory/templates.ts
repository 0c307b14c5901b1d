/** Keeps the arrays of template literals that it generates, each frozen and for ever. It gains memory that the engine never frees. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['exceeded(memory)', 'exceeded(cpu)'] };

export default defineAgent({
  name: 'templates',
  ceilings: { crank_cpu_ms: 500 },
  budget: { cpu_ms: 30_000 },
  run() {
    for (let i = 0; ; i++)
      (new Function('f', `return f\`${'t'.repeat(500)}${i}\``) as (f: (all: TemplateStringsArray) => unknown) => unknown)((all) => all);
  },
});
