/**
 * Waits for a message by its grandchild, which got the mailbox from its parent and ends after it. It gains a run that waits for ever: the end of
 * its child is all that it is told.
 */
import { defineAgent } from '@corral/guest';

const heir = defineAgent({
  name: 'heir',
  uses: { boss: 'mailbox' },
  async run({ sleep }) {
    await sleep(100_000);
  },
});

const between = defineAgent({
  name: 'between',
  uses: { boss: 'mailbox' },
  spawns: { heir },
  async run({ spawn, caps, sleep }) {
    spawn(heir, {}, { caps: { boss: caps.boss } });
    await sleep(1);
    return 'left';
  },
});

export default defineAgent({
  name: 'owner',
  spawns: { between },
  async run({ spawn, messages, mailbox }) {
    await spawn(between, {}, { caps: { boss: mailbox }, budget: { children: 1 } });
    return (await messages.next()).body;
  },
});
