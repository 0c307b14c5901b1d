/**
 * Has its work done by sixty children one after the other, each of which is stopped in a crank: by its CPU time, or because its isolate
 * dies of memory. It gains CPU time, if nobody is billed for a crank that did not end.
 */
import { defineAgent } from '@corral/guest';

const kid = defineAgent({
  name: 'kid',
  ceilings: { memory_mib: 32 },
  run({ input }) {
    if (input === 'computes') for (;;);
    let x = 0;
    for (let i = 0; i < 5e7; i++) x += i;
    const all: number[][] = [];
    for (;;) all.push(Array.from({ length: 1e6 }, () => x));
  },
});

export default defineAgent({
  name: 'a',
  spawns: { kid },
  async run({ input, spawn }) {
    const ends = [];
    for (let i = 0; i < 60; i++) ends.push(await spawn(kid, input, { budget: { cpu_ms: 400 } }).ended);
    return ends.map((end) => [end.kind, end.spent.cpu_ms]);
  },
});
