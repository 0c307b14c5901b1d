/** Writes more messages to a child that does not read than a mailbox holds. It gains the host's disk and memory, if nothing bounds them. */
import { defineAgent } from '@corral/guest';

const kid = defineAgent({ name: 'kid', run: ({ sleep }) => sleep(1e6) });

export default defineAgent({
  name: 'a',
  uses: { wait: 'tool:wait' },
  spawns: { kid },
  async run({ spawn, caps }) {
    const { send } = spawn(kid, {});
    await caps.wait({});
    const replies = await Promise.allSettled(Array.from({ length: 1005 }, (_, i) => send(i)));
    return replies.flatMap((one) => (one.status === 'rejected' ? [(one.reason as { code: string }).code] : []));
  },
});
