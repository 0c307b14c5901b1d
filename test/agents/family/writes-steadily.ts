/** Writes to a child at a steady pace, without end. */
import { defineAgent } from '@corral/guest';

const reader = defineAgent({
  name: 'reader',
  async run({ messages }) {
    for await (const one of messages) void one;
  },
});

export default defineAgent({
  name: 'steady',
  spawns: { reader },
  async run({ spawn, sleep }) {
    const to = spawn(reader, {}, { budget: { messages: 1 } });
    for (let i = 0; ; i++) {
      void to.send({ n: i });
      await sleep(80);
    }
  },
});
