/** One child reads what is private, its parent keeps it, and so does another child. */
import { defineAgent } from '@corral/guest';

const reader = defineAgent({
  name: 'reader',
  purpose: 'reads',
  uses: { read: 'tool:crm.read' },
  run: async ({ caps }) => ((await caps.read({ id: 7 })) as { name: string }).name,
});
const keeper = defineAgent({
  name: 'keeper',
  purpose: 'keeps',
  uses: { note: 'tool:note.keep' },
  async run({ input, caps }) {
    await caps.note({ text: (input as { text: string }).text });
  },
});

export default defineAgent({
  name: 'buyer',
  purpose: 'buys',
  uses: { read: 'tool:crm.read', note: 'tool:note.keep' },
  spawns: { reader, keeper },
  async run({ caps, spawn }) {
    const end = await spawn(reader, {}, { caps: { read: caps.read } }).ended;
    const text = end.kind === 'completed' ? (end.output as string) : end.kind;
    await caps.note({ text });
    await spawn(keeper, { text }, { caps: { note: caps.note } }).ended;
    return text;
  },
});
