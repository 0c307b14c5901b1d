/**
 * Is held to little memory, short cranks and one generation of children, and has a child that asks for far more of each, which has a
 * child in turn. It gains by its children what it was not given itself.
 */
import { defineAgent } from '@corral/guest';

const grand = defineAgent({ name: 'grand', run: () => 1 });
const kid = defineAgent({
  name: 'kid',
  spawns: { grand },
  ceilings: { crank_cpu_ms: 10_000, memory_mib: 1024, spawn_depth: 64 },
  run: async ({ spawn }) => (await spawn(grand, {}, { budget: {} }).ended).kind,
});

export default defineAgent({
  name: 'a',
  spawns: { kid },
  async run({ spawn }) {
    const end = await spawn(kid, {}, { budget: { children: 2 } }).ended;
    return end.kind === 'completed' ? end.output : undefined;
  },
});
