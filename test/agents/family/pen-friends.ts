/** Writes five times to a child that answers under a false name, and once more after the child has ended. */
import { defineAgent } from '@corral/guest';
import { codeOf } from '../outcomes.ts';

const child = defineAgent({
  name: 'child',
  uses: { home: 'mailbox' },
  async run({ caps, messages }) {
    for (let n = 0; n < 5; n++) {
      const { body, from } = await messages.next();
      await caps.home.send({ n: (body as { n: number }).n + 1, from: 'the king', heard: from.agent });
    }
  },
});
export default defineAgent({
  name: 'parent',
  spawns: { child },
  async run({ spawn, mailbox, messages }) {
    const kid = spawn(child, {}, { caps: { home: mailbox } });
    let n = 0;
    let from = '';
    for (let i = 0; i < 5; i++) {
      await kid.send({ n });
      const message = await messages.next();
      const { n: next, heard } = message.body as { n: number; heard: string };
      n = next;
      from = `${message.from.agent} heard ${heard}`;
    }
    await kid.ended;
    const late = await kid.send({}).catch(codeOf);
    return { n, from, late };
  },
});
