/** Calls two tools, and has a child call the first of them by a grant that is derived from its own. */
import { defineAgent } from '@corral/guest';

const inner = defineAgent({ name: 'inner', uses: { open: 'tool:open' }, run: ({ caps }) => caps.open({}) });

export default defineAgent({
  name: 'caller',
  uses: { open: 'tool:open', shut: 'tool:shut' },
  spawns: { inner },
  async run({ caps, spawn }) {
    const [own] = await Promise.all([caps.open({}), caps.shut({})]);
    const end = await spawn(inner, {}, { caps: { open: caps.open.attenuate({ uses: 1 }) }, budget: { calls: 1 } }).ended;
    return [own, end.kind === 'completed' ? end.output : end.kind];
  },
});
