/** Sends handles that do not fit the tool's schema, and then one that it has let go of. */
import { defineAgent } from '@corral/guest';
import { codeOf } from '../outcomes.ts';
import { uses } from './uses.ts';

export default defineAgent({
  name: 'planner',
  uses,
  async run({ caps }) {
    const h = await caps.mail.handle({});
    const tried: unknown[] = [];
    for (const text of [h, h.part('amount'), h.part('nothing'), h.part('text').part('length')])
      tried.push(await caps.send({ to: 'x', text }).catch(codeOf));
    h.dispose();
    tried.push(await caps.send({ to: 'x', text: h.part('text') }).catch(codeOf));
    return tried;
  },
});
