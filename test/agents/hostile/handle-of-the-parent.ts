/** Opens the first handle of its parent, by its index, in a child that was given none. It gains what it was not given. */
import { defineAgent } from '@corral/guest';
import { endCodeOf } from '../outcomes.ts';
import { uses } from '../handles/uses.ts';

const kid = defineAgent({
  name: 'kid',
  async run() {
    const { corral } = globalThis as unknown as { corral: { effect: (one: object) => Promise<unknown> } };
    await corral.effect({ kind: 'open', id: 'next', handle: 1 });
  },
});

export default defineAgent({
  name: 'planner',
  uses,
  spawns: { kid },
  async run({ caps, spawn }) {
    await caps.mail.handle({});
    return endCodeOf(await spawn(kid, {}).ended);
  },
});
