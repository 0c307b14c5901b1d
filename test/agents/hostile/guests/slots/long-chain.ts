/** Narrows a capability again and again and passes each on to itself. It gains a chain of grants that every check has to walk. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: ['completed', 'failed(CORRAL_GRANT_RIGHT)', 'failed(CORRAL_ARGS_INVALID)', 'exceeded(capabilities)'],
  vary: { links: [50, 90] },
};

export default defineAgent({
  name: 'long-chain',
  uses: { read: 'tool:hostile.read' },
  async run({ input, mailbox, messages, caps }) {
    const { links } = input as { links: number };
    let held: typeof caps.read = caps.read;
    for (let i = 0; i < links; i++) {
      const sent = await mailbox.send(i, { caps: { held: held.attenuate({ uses: 1_000 - i }) } }).then(
        () => true,
        () => false,
      );
      if (!sent) return true;
      held = (await messages.next()).caps['held'];
    }
    return true;
  },
});
