/** Gives a child a handle, and a capability that is for clean runs alone, with which the child sends the handle on. */
import { defineAgent } from '@corral/guest';
import { codeOf, outputOf } from '../outcomes.ts';
import { uses } from './uses.ts';

const kid = defineAgent({
  name: 'kid',
  uses: { send: 'tool:mail.send' },
  run({ input, caps }) {
    const { to, h } = input as { to: string; h: unknown };
    return caps.send({ to, text: h }).catch(codeOf);
  },
});

export default defineAgent({
  name: 'planner',
  uses,
  spawns: { kid },
  async run({ input, caps, spawn }) {
    const { to } = input as { to: string };
    const h = (await caps.mail.handle({})).part('text');
    const send = caps.send.attenuate({ only_clean: true });
    return outputOf(await spawn(kid, { to, h }, { caps: { send }, budget: { calls: 5, money_micros: 9_000_000 } }).ended);
  },
});
