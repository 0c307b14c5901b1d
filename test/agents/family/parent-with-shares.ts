/** Gives each of four children a part of what it has, and returns how each of them ended. */
import { defineAgent } from '@corral/guest';
import { codeOf, endCodeOf, outputOf } from '../outcomes.ts';

const child = defineAgent({
  name: 'child',
  uses: { look: 'tool:look' },
  async run({ input, caps, budget }) {
    const refused = await caps.look({ path: 'b/secret' }).catch(codeOf);
    const first = await caps.look({ path: 'a/1' });
    const spent = await caps.look({ path: 'a/2' }).then(() => 'twice', codeOf);
    if ((input as { fail?: boolean }).fail === true) throw new Error('as asked');
    return { refused, first, spent, calls: budget.calls };
  },
});
export default defineAgent({
  name: 'parent',
  uses: { look: 'tool:look' },
  spawns: { child },
  budget: { calls: 20 },
  async run({ spawn, caps, budget }) {
    const give = () => ({
      caps: { look: caps.look.attenuate({ where: { path: { under: 'a' } }, uses: 1 }) },
      budget: budget.slice({ calls: 5 }),
    });
    const kids = [
      spawn(child, { fail: false }, give()),
      spawn(child, { fail: true }, give()),
      spawn(child, {}, { budget: { calls: 11 }, caps: give().caps }),
      spawn(child, {}),
    ];
    return (await Promise.all(kids.map((kid) => kid.ended))).map((end) => ({
      kind: end.kind,
      output: outputOf(end),
      code: endCodeOf(end),
      calls: end.spent.calls,
    }));
  },
});
