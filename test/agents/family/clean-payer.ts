/** Lets a child pay as long as nobody else’s words can have reached it; the child pays before it reads mail, and after. */
import { defineAgent } from '@corral/guest';
import { codeOf, outputOf } from '../outcomes.ts';

const uses = { mail: 'tool:mail.read', pay: 'tool:payments.send' } as const;
const code = (promise: Promise<unknown>) => promise.then(() => 'ok', codeOf);
const child = defineAgent({
  name: 'child',
  uses,
  async run({ caps }) {
    const before = await code(caps.pay({ to: 'DE02', amount: 1 }));
    await caps.mail({});
    return [before, await code(caps.pay({ to: 'DE02', amount: 2 }))];
  },
});
export default defineAgent({
  name: 'parent',
  uses,
  spawns: { child },
  async run({ caps, spawn }) {
    return outputOf(
      await spawn(
        child,
        {},
        { caps: { mail: caps.mail, pay: caps.pay.attenuate({ only_clean: true }) }, budget: { calls: 5, money_micros: 3_000_000 } },
      ).ended,
    );
  },
});
