/** Asks a child that fails before it replies: twice at once, and once more after its end. */
import { defineAgent } from '@corral/guest';

const child = defineAgent({
  name: 'child',
  async run({ messages, sleep }) {
    await messages.next();
    await sleep(30);
    throw new Error('oh no');
  },
});

export default defineAgent({
  name: 'parent',
  spawns: { child },
  async run({ spawn }) {
    const kid = spawn(child, {});
    const ask = (n: number) => kid.mailbox.request(n).catch((e: { code: string; message: string }) => `${e.code}: ${e.message}`);
    const both = await Promise.all([ask(1), ask(2)]);
    return [...both, await ask(3)];
  },
});
