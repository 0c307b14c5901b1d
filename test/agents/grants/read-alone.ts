/** Gives a child two capabilities to read with alone; the child tries both, and to hand them on. */
import { defineAgent } from '@corral/guest';
import { code } from '../code.ts';
import { endCodeOf, outputOf } from '../outcomes.ts';
import { uses } from './uses.ts';

const leaf = defineAgent({ name: 'leaf', uses, run: () => 1 });

const worker = defineAgent({
  name: 'worker',
  uses,
  spawns: { leaf },
  async run({ caps, spawn }) {
    const end = await spawn(leaf, {}, { caps }).ended;
    return { pay: await code(caps.pay({ amount: 1 })), read: await code(caps.read({ path: 'a' })), passed: endCodeOf(end) };
  },
});

export default defineAgent({
  name: 'owner',
  uses,
  spawns: { worker, leaf },
  async run({ caps, spawn }) {
    const given = { pay: caps.pay.attenuate({ rights: ['read'] }), read: caps.read.attenuate({ rights: ['read'] }) };
    return outputOf(await spawn(worker, {}, { caps: given, budget: { calls: 20, children: 2 } }).ended);
  },
});
