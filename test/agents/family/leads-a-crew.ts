/** Starts a child, sends to it as the input says, and says how each of the two went. */
import { defineAgent } from '@corral/guest';
import * as z from 'zod';
import { endCodeOf } from '../outcomes.ts';

interface Job {
  readonly listen?: boolean;
  readonly taint?: boolean;
  readonly calls?: number;
}

const kid = defineAgent({
  name: 'crew/kid',
  purpose: 'listens',
  uses: { read: 'tool:mail.read' },
  output: z.number(),
  async run({ messages, input }) {
    if ((input as Job).listen === true) for await (const message of messages) return (message.body as { n: number }).n;
    return 7;
  },
});

/** @param pay whether it pays first, by a capability of its own */
export const crew = (pay: boolean) =>
  defineAgent({
    name: 'crew',
    purpose: 'leads',
    spawns: { kid },
    uses: { read: 'tool:mail.read', get: 'tool:web.get', ...(pay ? { pay: 'tool:payments.send' } : {}) },
    async run({ caps, spawn, input }) {
      const { listen = false, taint = false, calls = 1 } = input as Job;
      if (pay) await caps.pay?.({});
      if (taint) await caps.get({});
      const child = spawn(kid, { listen }, { caps: { read: caps.read }, budget: { cpu_ms: 1000, calls } });
      const send = () =>
        child.send({ n: 5 }).then(
          () => 'sent',
          (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
        );
      const sent = listen ? await send() : 'not sent';
      if (listen && sent !== 'sent') return { sent };
      const end = await child.ended;
      return { sent, end: end.kind === 'completed' ? end.output : endCodeOf(end) };
    },
  });

export default crew(false);
