/** Reads a stranger's mail, and hands the capability on to a child in a message. */
import { defineAgent } from '@corral/guest';

const kid = defineAgent({
  name: 'kid',
  purpose: 'is given something',
  uses: {},
  async run({ messages }) {
    const { caps } = await messages.next();
    return Object.keys(caps).length === 0 ? 'nothing' : 'got it';
  },
});

export default defineAgent({
  name: 'boss',
  purpose: 'changes',
  spawns: { kid },
  uses: { read: 'tool:mail.read' },
  async run({ caps, spawn }) {
    await caps.read({});
    const child = spawn(kid, {}, { budget: { calls: 3, cpu_ms: 1000 } });
    await child.send('take this', { caps: { read: caps.read } }).catch(() => undefined);
    return (await child.ended).kind;
  },
});
