/** Hands all that it has down to a child of its child, which calls twice at once, and once more after those have ended. */
import { defineAgent } from '@corral/guest';
import { code } from '../code.ts';
import { outputOf } from '../outcomes.ts';
import { uses } from './uses.ts';

const leaf = defineAgent({
  name: 'leaf',
  uses,
  async run({ caps }) {
    const first = await Promise.all([code(caps.pay({})), code(caps.read({ path: 'a' }))]);
    return [...first, await code(caps.pay({}))];
  },
});

const middle = defineAgent({
  name: 'middle',
  uses,
  spawns: { leaf },
  async run({ caps, spawn }) {
    return outputOf(await spawn(leaf, {}, { caps, budget: { calls: 9 } }).ended);
  },
});

export default defineAgent({
  name: 'owner',
  uses,
  spawns: { middle, leaf },
  async run({ caps, spawn }) {
    const below = outputOf(await spawn(middle, {}, { caps, budget: { calls: 20, children: 1 } }).ended);
    return { below, own: await code(caps.pay({})) };
  },
});
