/**
 * Waits for a child that alone holds its mailbox, and that spins or floods once it has been sent it. It gains a run that waits for ever for
 * one that has ended.
 */
import { defineAgent } from '@corral/guest';

const flood = defineAgent({
  name: 'flood',
  async run({ input, messages, emit, sleep }) {
    const message = await messages.next();
    const { events } = input as { events?: number };
    if (events === undefined) for (;;);
    for (let i = 0; i < events; i++) emit('drop', i);
    await sleep(100_000);
    return message.body;
  },
});

export default defineAgent({
  name: 'owner',
  spawns: { flood },
  async run({ input, spawn, messages, mailbox }) {
    const child = spawn(flood, input);
    await child.send('x', { caps: { reply: mailbox } });
    return (await messages.next()).body;
  },
});
