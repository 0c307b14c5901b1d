/** Sends a child a handle; the child sends it back before it opens it. Both pay, which goes unasked while they are clean. */
import { defineAgent, type Handle } from '@corral/guest';
import { outputOf } from '../outcomes.ts';
import { uses } from './uses.ts';

const kid = defineAgent({
  name: 'kid',
  uses: { pay: 'tool:pay.send', boss: 'mailbox' },
  async run({ messages, caps, open }) {
    const { list } = (await messages.next()).body as { list: [string, Handle<string>] };
    await caps.pay({ to: 'someone-else', amount: 1 });
    await caps.boss.send({ back: list[1] });
    return open(list[1]);
  },
});

export default defineAgent({
  name: 'planner',
  uses,
  spawns: { kid },
  async run({ caps, spawn, open, mailbox, messages }) {
    const h = await caps.mail.handle({});
    const budget = { calls: 5, messages: 5, money_micros: 9_000_000 };
    const child = spawn(kid, null, { caps: { pay: caps.pay, boss: mailbox }, budget });
    await child.send({ list: ['text', h.part('text')] });
    const { back } = (await messages.next()).body as { back: Handle<string> };
    await caps.pay({ to: 'someone-new', amount: 3 });
    return [back.type, outputOf(await child.ended), await open(back)];
  },
});
