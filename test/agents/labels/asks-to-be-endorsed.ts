/** Reads mail, asks that it be vouched for, and pays a stranger before the owner has spoken, and after. */
import { defineAgent } from '@corral/guest';
import { codeOf } from '../outcomes.ts';
import { uses } from './uses.ts';

export default defineAgent({
  name: 'planner',
  uses,
  async run({ caps }) {
    await caps.mail({});
    const vouched = caps.endorse({ run: true, reason: 'I only read our own newsletter' }).catch(codeOf);
    const before = await caps.pay({ to: 'someone-new', amount: 3 }).catch(codeOf);
    return [before, await vouched, await caps.pay({ to: 'someone-new', amount: 3 }).catch(codeOf)];
  },
});
