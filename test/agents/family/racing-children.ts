/** Races 64 children against itself for its own calls. */
import { defineAgent } from '@corral/guest';

const child = defineAgent({
  name: 'child',
  uses: { count: 'tool:count' },
  async run({ caps }) {
    let made = 0;
    for (const result of await Promise.allSettled(Array.from({ length: 5 }, () => caps.count({}))))
      if (result.status === 'fulfilled') made += 1;
    return made;
  },
});
export default defineAgent({
  name: 'parent',
  uses: { count: 'tool:count' },
  spawns: { child },
  async run({ caps, spawn }) {
    const children = Array.from(
      { length: 64 },
      () => spawn(child, {}, { caps: { count: caps.count }, budget: { calls: 3, cpu_ms: 2_000, bytes: 10_000, messages: 0 } }).ended,
    );
    const own = await Promise.allSettled(Array.from({ length: 30 }, () => caps.count({})));
    const ends = await Promise.all(children);
    return {
      own: own.filter((one) => one.status === 'fulfilled').length,
      ends: ends.map((end) => (end.kind === 'completed' ? end.output : end.kind)),
    };
  },
});
