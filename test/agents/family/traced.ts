/** Does one of each thing that has a span: calls of a tool and a model, a child that it writes to, sleeps, a refusal, and a call that waits for people. */
import { defineAgent } from '@corral/guest';
import { outputOf } from '../outcomes.ts';

const scribe = defineAgent({
  name: 'scribe',
  uses: { read: 'tool:fs.read' },
  async run({ messages, caps }) {
    const { body } = await messages.next();
    return `${body as string} ${((await caps.read({ path: 'a.txt' })) as { text: string }).text}`;
  },
});
export default defineAgent({
  name: 'traced',
  spawns: { scribe },
  uses: { read: 'tool:fs.read', write: 'tool:fs.write', model: 'model:default' },
  async run({ input, caps, spawn, sleep }) {
    const { sleep_ms } = input as { sleep_ms: number };
    const kid = spawn(scribe, {}, { caps: { read: caps.read } });
    const read = await caps.read({ path: 'a.txt' });
    await caps.model({ prompt: [{ role: 'user', content: [{ type: 'text', text: 'hello' }] }] });
    await sleep(sleep_ms);
    await kid.send('wrote');
    const word = outputOf(await kid.ended);
    const refused = await caps.read({ path: '../outside.txt' }).catch((error: { code: string }) => error.code);
    await caps.write({ path: 'b.txt', text: 'x' });
    return { read, word, refused };
  },
});
