/** Spawns two of its kind, each of which spawns two of its kind. */
import { defineAgent, type AgentDefinition } from '@corral/guest';

const branch: AgentDefinition = defineAgent({
  name: 'zoo/fork-tree/branch',
  spawns: {
    get branch() {
      return branch;
    },
  },
  async run({ spawn, budget }) {
    const half = { children: Math.floor(((budget.children ?? 0) - 2) / 2), cpu_ms: Math.floor(((budget.cpu_ms ?? 0) - 100) / 2) };
    if (half.children < 0) return;
    await Promise.all([1, 2].map(() => spawn(branch, {}, { budget: budget.slice(half) }).ended));
  },
});

export default defineAgent({
  name: 'zoo/fork-tree',
  spawns: { branch },
  async run({ spawn, budget }) {
    await spawn(branch, {}, { budget: budget.slice({ children: 510, cpu_ms: 50_000 }) }).ended;
  },
});
