/** Asks a child that never replies, once until a time and once until it gives up. */
import { defineAgent } from '@corral/guest';
import { codeOf } from '../outcomes.ts';

const child = defineAgent({
  name: 'child',
  async run({ messages }) {
    for (;;) await messages.next();
  },
});

export default defineAgent({
  name: 'parent',
  spawns: { child },
  async run({ spawn }) {
    const kid = spawn(child, {});
    const giveUp = new AbortController();
    const given = kid.mailbox.request(1, { signal: giveUp.signal }).catch((error: Error) => error.name);
    const late = await kid.mailbox.request(2, { timeout_ms: 20 }).catch(codeOf);
    giveUp.abort();
    return [late, await given];
  },
});
