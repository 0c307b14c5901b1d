/** Has a child that has a child, deeper than there may be generations. It gains a chain whose end nobody reaches. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'completed', children: ['completed'], output: true };

const link = defineAgent({ name: 'link', run: () => 0 });
const chain = [link];
for (let i = 1; i < 12; i++) {
  const below = chain[i - 1] as typeof link;
  chain.push(
    defineAgent({
      name: `link-${i}`,
      spawns: { below },
      run: async ({ spawn }) => {
        const end = await spawn(below, {}, { budget: { children: 20, cpu_ms: 2_000 } }).ended;
        return end.kind === 'completed' ? Number(end.output) + 1 : 0;
      },
    }),
  );
}
const top = chain.at(-1) as typeof link;

export default defineAgent({
  name: 'chain',
  spawns: { top },
  run: async ({ spawn }) => {
    const end = await spawn(top, {}, { budget: { children: 30, cpu_ms: 3_000 } }).ended;
    return end.kind === 'completed' && Number(end.output) < 12;
  },
});
