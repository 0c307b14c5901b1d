/** Asks a child with the same tool, and no limit on it, to pay by a capability for small amounts. It gains the child's authority. */
import { defineAgent } from '@corral/guest';
import { code, type Given } from '../../code.ts';

const uses = { read: 'tool:fs.read', pay: 'tool:bank.pay' } as const;

const deputy = defineAgent({
  name: 'deputy',
  uses,
  async run({ messages }) {
    const { caps: given, body } = await messages.next();
    return { given: await code((given['pay'] as Given)(body as object)), reached: Object.keys(given) };
  },
});

export default defineAgent({
  name: 'owner',
  uses,
  spawns: { deputy },
  async run({ caps, spawn }) {
    const child = spawn(deputy, {}, { caps, budget: { calls: 9 } });
    await child.send({ amount: 5000 }, { caps: { pay: caps.pay.attenuate({ where: { amount: { max: 10 } } }) } });
    const end = await child.ended;
    return end.kind === 'completed' ? end.output : end;
  },
});
