/** Sends private data to where a stranger's mail says, before it is declassified and after. */
import { defineAgent } from '@corral/guest';
import { codeOf } from '../outcomes.ts';
import { uses } from './uses.ts';

export default defineAgent({
  name: 'planner',
  uses,
  async run({ caps }) {
    const where = (await caps.mail.handle({})).part('from');
    const what = (await caps.hr.handle({})).part('text');
    const before = await caps.send({ to: where, text: what }).catch(codeOf);
    const freed = await caps.declassify.handle({ value: what, reason: 'in the report anyway' });
    return [before, await caps.send({ to: where, text: freed }).catch(codeOf)];
  },
});
