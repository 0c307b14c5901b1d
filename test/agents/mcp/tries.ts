/** Asks one of several hostile servers to act, in each of the ways of its input, and gives the first words of the answers, or codes. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'tries',
  onUnknown: 'tell',
  uses: {
    bad: 'tool:bad.act',
    flood: 'tool:flood.act',
    huge: 'tool:huge.act',
    garbage: 'tool:garbage.act',
    fork: 'tool:fork.act',
    stuck: 'tool:stuck.act',
    stderr: 'tool:stderr.act',
  },
  async run({ input, caps }) {
    const [server, ...ways] = input as ['bad', ...string[]];
    const said: unknown[] = [];
    for (const how of ways) {
      try {
        const { content } = (await caps[server]({ how })) as { content: [{ text: string }] };
        said.push(content[0].text.slice(0, 100));
      } catch (error) {
        said.push((error as { code: string }).code);
      }
    }
    return said;
  },
});
