/** Holds all tools of a server, uses one, and hands all of them on to a child, which uses another one. */
import { defineAgent } from '@corral/guest';

interface Plain {
  readonly add: (input: object) => Promise<{ sum: number }>;
  readonly echo_text: (input: object) => Promise<{ content: [{ text: string }] }>;
}

const child = defineAgent({
  name: 'helper',
  uses: { plain: 'mcp:plain' },
  async run({ caps }) {
    const { sum } = await (caps.plain as unknown as Plain).add({ a: 20, b: 2 });
    return [sum, Object.keys(caps.plain).includes('echo_text')];
  },
});

export default defineAgent({
  name: 'all',
  uses: { plain: 'mcp:plain' },
  spawns: { child },
  async run({ caps, spawn }) {
    const { content } = await (caps.plain as unknown as Plain).echo_text({ text: 'hello' });
    const ended = await spawn(child, null, { caps: { plain: caps.plain as never } }).ended;
    return [content[0].text, Object.keys(caps.plain).sort().slice(0, 3), ended.kind === 'completed' ? ended.output : ended];
  },
});
