/** Makes fifty calls at once for results that its purse has no room for, and one more. It gains bytes that it was not given. */
import { defineAgent, type Handle } from '@corral/guest';

interface Job {
  readonly read: 'results' | 'handles' | 'replies';
  readonly size: number;
}
interface Refusal {
  readonly limit?: string;
}

const kid = defineAgent({
  name: 'kid',
  async run({ input, messages }) {
    for await (const message of messages) message.reply('x'.repeat(input as number));
  },
});

export default defineAgent({
  name: 'reader',
  uses: { big: 'tool:big' },
  spawns: { kid },
  async run({ input, caps, spawn }) {
    const { read, size } = input as Job;
    const child = spawn(kid, size, { budget: { bytes: 100_000_000 } });
    const ways: Readonly<Record<Job['read'], () => Promise<number>>> = {
      results: () => caps.big({}).then(({ length }: string) => length),
      handles: () => caps.big.handle({}).then(({ bytes }: Handle) => bytes),
      replies: () => child.mailbox.request({}).then((reply) => (reply as string).length),
    };
    const refused = (error: Refusal): number => {
      if (error.limit !== 'bytes') throw error;
      return 0;
    };
    const sizes = await Promise.all(Array.from({ length: 50 }, () => ways[read]().catch(refused)));
    const more = await caps.big({}).catch((error: Refusal) => error.limit);
    return { sum: sizes.reduce((sum, one) => sum + one, 0), more };
  },
});
