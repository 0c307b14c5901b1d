/** Is vouched for, pays before and after a checkpoint, and once more after it has read a stranger's mail again. */
import { defineAgent } from '@corral/guest';
import { codeOf } from '../outcomes.ts';
import { uses } from './uses.ts';

export default defineAgent({
  name: 'planner',
  uses,
  async run({ caps, sleep, state, checkpoint }) {
    if (state === undefined) {
      await caps.mail({});
      await caps.endorse({ run: true, reason: 'r' });
      await sleep(1200);
      await caps.pay({ to: 'before', amount: 3 });
      await checkpoint('on');
    }
    await caps.pay({ to: 'after', amount: 3 });
    await caps.mail({});
    return caps.pay({ to: 'dirty', amount: 3 }).catch(codeOf);
  },
});
