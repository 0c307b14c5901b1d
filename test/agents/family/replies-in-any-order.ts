/** Asks a child twice; the child replies to the second first, to one of them twice, and to a message that was only sent. */
import { defineAgent } from '@corral/guest';
import { outputOf } from '../outcomes.ts';

const child = defineAgent({
  name: 'child',
  async run({ messages, sleep }) {
    const refused = (reply: () => void): string | undefined => {
      try {
        reply();
        return undefined;
      } catch (error) {
        return (error as Error).message;
      }
    };
    const [a, b] = [await messages.next(), await messages.next()];
    b.reply((b.body as number) + 1);
    const second = refused(() => b.reply(0));
    await sleep(1);
    a.reply((a.body as number) + 1);
    const c = await messages.next();
    return [second, refused(() => c.reply(1))];
  },
});

export default defineAgent({
  name: 'parent',
  spawns: { child },
  async run({ spawn }) {
    const kid = spawn(child, {});
    const replies = await Promise.all([kid.mailbox.request(1), kid.mailbox.request(10)]);
    await kid.send('only this');
    return [replies, outputOf(await kid.ended)];
  },
});
