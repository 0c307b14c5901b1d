/** Gives a child a handle that the child does not open, and opens what comes back. It pays in between, which goes unasked while it is clean. */
import { defineAgent, type Handle } from '@corral/guest';
import { outputOf } from '../outcomes.ts';
import { uses } from './uses.ts';

interface Mail {
  readonly text: string;
  readonly amount: number;
}

const kid = defineAgent({
  name: 'kid',
  uses: { pay: 'tool:pay.send' },
  async run({ input, caps }) {
    const { mail } = input as { mail: Handle<Mail> };
    await caps.pay({ to: 'someone-else', amount: 1 });
    return { same: mail, list: [mail.part('text')] };
  },
});

export default defineAgent({
  name: 'planner',
  uses,
  spawns: { kid },
  async run({ caps, spawn, open }) {
    const h = await caps.mail.handle({});
    const end = await spawn(kid, { mail: h }, { caps: { pay: caps.pay }, budget: { calls: 5, money_micros: 9_000_000 } }).ended;
    await caps.pay({ to: 'someone-new', amount: 3 });
    const { same, list } = outputOf(end) as { same: Handle<Mail>; list: [Handle<string>] };
    return [same.type, list[0].type, await open(list[0]), (await open(same)).amount];
  },
});
