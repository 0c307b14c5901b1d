/** Two agents that thank each other without end, each until it has no messages left. */
import { defineAgent } from '@corral/guest';
import * as z from 'zod/mini';

const Courtesy = z.object({ from: z.enum(['ada', 'ben']), text: z.string() });

const chatter = defineAgent({
  name: 'zoo/chatter',
  input: z.object({ name: z.enum(['ada', 'ben']) }),
  uses: { friend: 'mailbox' },
  async run({ input, caps, messages }) {
    for (;;) {
      await caps.friend.send({ from: input.name, text: 'No, thank you!' });
      await messages.next();
    }
  },
});

/** Introduces the two and carries their words to and fro. */
export default defineAgent({
  name: 'zoo/salon',
  spawns: { chatter },
  async run({ spawn, mailbox, messages, budget }) {
    const guest = (name: 'ada' | 'ben') => spawn(chatter, { name }, { caps: { friend: mailbox }, budget: budget.slice({ messages: 100 }) });
    const guests = { ada: guest('ada'), ben: guest('ben') };
    let present = 2;
    for (const { ended } of Object.values(guests)) void ended.then(() => (present -= 1));
    const over = Promise.all([guests.ada.ended, guests.ben.ended]);
    while (present > 0) {
      const message = await Promise.race([messages.next(), over.then(() => undefined)]);
      if (message === undefined) break;
      const { from, text } = Courtesy.parse(message.body);
      // A run that has left the room receives nothing more.
      await guests[from === 'ada' ? 'ben' : 'ada'].send({ from, text }).catch(() => undefined);
    }
    await over;
  },
});
