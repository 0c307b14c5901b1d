/** Has 64 children call at once by one grant. It gains calls beyond its purse or the grant, if they are counted late. */
import { defineAgent } from '@corral/guest';
import { code, type Given } from '../../code.ts';

const uses = { read: 'tool:fs.read', pay: 'tool:bank.pay' } as const;

const worker = defineAgent({
  name: 'worker',
  uses,
  async run({ caps, input }) {
    const codes = await Promise.all(Array.from({ length: input as number }, () => code(caps.read({ path: 'a' }))));
    return codes.filter((one) => one === 'ok').length;
  },
});

export default defineAgent({
  name: 'owner',
  uses,
  spawns: { worker },
  async run({ caps, spawn, input, mailbox, messages }) {
    const { uses: times, wanted, each } = input as { uses: number | null; wanted: number; each: number };
    // Handed to itself first, so that one grant counts for all the children.
    await mailbox.send('', { caps: { read: caps.read.attenuate(times === null ? {} : { uses: times }) } });
    const shared = (await messages.next()).caps['read'] as Given;
    const given = () => ({ caps: { read: shared.attenuate({}), pay: caps.pay }, budget: { calls: each, cpu_ms: 2_000 } });
    const ends = await Promise.all(Array.from({ length: 64 }, () => spawn(worker, wanted, given()).ended));
    return ends.reduce((sum, end) => sum + (end.kind === 'completed' ? (end.output as number) : 0), 0);
  },
});
