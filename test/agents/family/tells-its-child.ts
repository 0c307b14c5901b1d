/** Reads a stranger’s mail, and has a child pay to the account that stands there. */
import { defineAgent } from '@corral/guest';

const child = defineAgent({
  name: 'child',
  uses: { pay: 'tool:payments.send' },
  async run({ input, caps }) {
    return caps.pay({ to: (input as { to: string }).to, amount: 1 });
  },
});
export default defineAgent({
  name: 'parent',
  uses: { mail: 'tool:mail.read', pay: 'tool:payments.send' },
  spawns: { child },
  async run({ caps, spawn }) {
    const { text } = await caps.mail({});
    return (
      await spawn(
        child,
        { to: /account ([A-Z0-9]+)/.exec(text)?.[1] },
        { caps: { pay: caps.pay }, budget: { calls: 2, money_micros: 1_000_000 } },
      ).ended
    ).kind;
  },
});
