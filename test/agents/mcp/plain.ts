/** Calls tools of the servers `plain`, `old` and `far` one after the other, as its input says, and gives the answers or the errors. */
import { defineAgent } from '@corral/guest';

type Wanted = readonly [alias: string, input?: unknown, options?: { timeout_ms?: number; retry?: { attempts: number }; stream?: true }];

export default defineAgent({
  name: 'plain',
  onUnknown: 'tell',
  uses: {
    add: 'tool:plain.add',
    around: 'tool:plain.around',
    note: 'tool:plain.note',
    fail: 'tool:plain.fail',
    die: 'tool:plain.die',
    wait: 'tool:plain.wait',
    oldAdd: 'tool:old.add',
    oldWait: 'tool:old.wait',
    farAdd: 'tool:far.add',
    list: 'tool:far.resources.list',
    read: 'tool:far.resources.read',
    prompt: 'tool:far.prompts.get',
  },
  async run({ input, caps }) {
    const said: unknown[] = [];
    for (const [alias, value = {}, options = {}] of input as readonly Wanted[]) {
      const { stream, ...more } = options;
      const tool = caps[alias as 'add'];
      try {
        if (stream === undefined) said.push(await tool(value, more));
        else {
          const parts: unknown[] = [];
          const answer = tool.stream(value, more);
          for await (const part of answer) parts.push((part as { message?: string }).message);
          said.push([parts, await answer.result]);
        }
      } catch (error) {
        const { code, message } = error as { code?: string; message?: string };
        said.push([code, message]);
      }
    }
    return said;
  },
});
