/** Gives a child its capability, or one without a use left, and returns how the child ended. */
import { defineAgent } from '@corral/guest';

const uses = { read: 'tool:mail.read' } as const;
const child = defineAgent({ name: 'child', uses, run: ({ caps }) => caps.read({}) });

export default defineAgent({
  name: 'parent',
  uses,
  spawns: { child },
  async run({ spawn, caps, input }) {
    const read = (input as { less?: boolean }).less === true ? caps.read.attenuate({ uses: 0 }) : caps.read;
    return (await spawn(child, {}, { caps: { read } }).ended).kind;
  },
});
