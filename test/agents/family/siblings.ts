/** Passes one capability to two children, of which one uses it while the other has left memory. */
import { defineAgent } from '@corral/guest';
import { endCodeOf, outputOf } from '../outcomes.ts';

const child = defineAgent({
  name: 'child',
  uses: { look: 'tool:look' },
  async run({ input, caps, sleep }) {
    const { ms } = input as { ms: number };
    await sleep(ms);
    return caps.look({ n: ms });
  },
});
export default defineAgent({
  name: 'parent',
  uses: { look: 'tool:look' },
  spawns: { child },
  async run({ caps, spawn }) {
    const kids = [100_000, 200_000].map((ms) => spawn(child, { ms }, { caps: { look: caps.look }, budget: { calls: 1, cpu_ms: 5_000 } }));
    return (await Promise.all(kids.map((kid) => kid.ended))).map((end) => outputOf(end) ?? endCodeOf(end));
  },
});
