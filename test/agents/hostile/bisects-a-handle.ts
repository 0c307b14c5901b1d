/** Has children call with a private number, under conditions on how large it may be. It gains the number without having read it. */
import { defineAgent } from '@corral/guest';
import { code } from '../code.ts';
import { outputOf } from '../outcomes.ts';

const kid = defineAgent({
  name: 'kid',
  uses: { calc: 'tool:calc' },
  async run({ input, caps }) {
    const said = await code(caps.calc({ n: (input as { h: unknown }).h }));
    return said === 'ok' ? 'at most' : said;
  },
});

export default defineAgent({
  name: 'planner',
  uses: { get: 'tool:hr.get', calc: 'tool:calc' },
  spawns: { kid },
  async run({ caps, spawn, checkpoint, state }) {
    if (state !== undefined) return state;
    const h = (await caps.get.handle({})).part('salary');
    const most = (max: number) =>
      spawn(kid, { h }, { caps: { calc: caps.calc.attenuate({ where: { n: { max } } }) }, budget: { calls: 2 } }).ended;
    return checkpoint([outputOf(await most(90_000)), outputOf(await most(92_000))]);
  },
});
