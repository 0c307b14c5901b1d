/** Has a child ask that a part of a stranger's mail be vouched for, and pays to what comes back. */
import { defineAgent } from '@corral/guest';
import { outputOf } from '../outcomes.ts';
import { uses } from './uses.ts';

const kid = defineAgent({
  name: 'kid',
  uses: { endorse: 'tool:label.endorse' },
  run: ({ input, caps }) => caps.endorse.handle({ value: input, reason: 'r' }),
});

export default defineAgent({
  name: 'planner',
  uses,
  spawns: { kid },
  async run({ caps, spawn }) {
    const h = (await caps.mail.handle({})).part('from');
    const end = await spawn(kid, h, { caps: { endorse: caps.endorse }, budget: { calls: 3 } }).ended;
    return caps.pay({ to: outputOf(end), amount: 3 });
  },
});
