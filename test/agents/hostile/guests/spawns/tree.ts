/** Starts children that each start children, all at once. It gains a tree that grows faster than anybody can end it. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['completed'], children: ['completed', 'killed', 'cancelled', 'exceeded(cpu_total)'] };

const branch = defineAgent({ name: 'branch', spawns: {}, run: () => 1 });
const trunk = defineAgent({
  name: 'trunk',
  spawns: { branch },
  run: async ({ spawn }) =>
    (await Promise.all(Array.from({ length: 10 }, () => spawn(branch, {}, { budget: { cpu_ms: 20 } }).ended))).length,
});

export default defineAgent({
  name: 'tree',
  spawns: { trunk },
  run: async ({ spawn }) =>
    (await Promise.all(Array.from({ length: 15 }, () => spawn(trunk, {}, { budget: { cpu_ms: 400, children: 10 } }).ended))).length,
});
