/** Two children write to each other without end. They gain the host’s commits, two runs for the price of one. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: ['completed', 'exceeded(messages)'],
  children: [
    'exceeded(messages)',
    'exceeded(message_depth)',
    'failed(CORRAL_BUDGET_EXCEEDED)',
    'failed(stalled)',
    'killed',
    'cancelled',
    'failed(CORRAL_RECIPIENT_ENDED)',
  ],
};

const player = defineAgent({
  name: 'player',
  async run({ messages }) {
    const { body, caps } = await messages.next();
    if (body === 'serve') await (caps['other'] as { send: (body: unknown) => Promise<void> }).send(0);
    for (;;) {
      const { reply } = await messages.next();
      reply(1);
    }
  },
});
const driver = defineAgent({
  name: 'driver',
  uses: { other: 'mailbox' },
  async run({ caps }) {
    for (let i = 0; ; i++) await caps.other.request(i);
  },
});

export default defineAgent({
  name: 'ping-pong',
  spawns: { player, driver },
  async run({ spawn }) {
    const one = spawn(player, {}, { budget: { messages: 200 } });
    await one.send('wait');
    return (await spawn(driver, {}, { caps: { other: one.mailbox }, budget: { messages: 150 } }).ended).kind;
  },
});
