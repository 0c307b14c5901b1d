/** Sends a child a capability for one path and one use, and its own mailbox for the reply. */
import { defineAgent } from '@corral/guest';
import { code } from '../code.ts';
import { codeOf } from '../outcomes.ts';
import { uses } from './uses.ts';

const server = defineAgent({
  name: 'server',
  async run({ messages }) {
    const message = await messages.next();
    const { reader, reply } = message.caps;
    const seen = [
      message.body,
      JSON.stringify(message),
      await reader({ path: 'a' }),
      await code(reader({ path: 'a' })),
      await code(reader({ path: 'b' })),
    ];
    let missing: unknown;
    try {
      missing = message.caps['other'];
    } catch (error) {
      missing = codeOf(error);
    }
    await reply.send({ seen, missing });
  },
});

export default defineAgent({
  name: 'owner',
  uses,
  spawns: { server },
  async run({ caps, spawn, messages, mailbox }) {
    const child = spawn(server, {});
    const reader = caps.read.attenuate({ where: { path: { equals: 'a' } }, uses: 1 });
    await child.send('hello', { caps: { reader, reply: mailbox } });
    const { body, from } = await messages.next();
    return { ...(body as object), from: from.agent };
  },
});
