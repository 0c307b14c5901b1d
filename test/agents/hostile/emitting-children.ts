/**
 * Spawns children that emit much, one after another. It gains the host's memory, if the host keeps events for those who follow. Input: how
 * many children, and how many events each emits, of 250 kB in UTF-8 and 125,000 characters.
 */
import { defineAgent } from '@corral/guest';

const kid = defineAgent({
  name: 'kid',
  ceilings: { crank_cpu_ms: 2_000 },
  async run({ input, emit, sleep }) {
    const { events } = input as { events: number };
    for (let i = 0; i < events; i++) {
      emit('x', `${'ā'.repeat(125_000)}${i}`);
      if (i % 16 === 15) await sleep(0);
    }
    return events;
  },
});

export default defineAgent({
  name: 'a',
  spawns: { kid },
  async run({ input, spawn }) {
    const { children, events } = input as { children: number; events: number };
    let done = 0;
    for (let i = 0; i < children; i++) {
      const end = await spawn(kid, { events }, { budget: { cpu_ms: 5_000 } }).ended;
      if (end.kind === 'completed') done += 1;
    }
    return done;
  },
});
