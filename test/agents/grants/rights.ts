/** Hands on what it may not use itself to a coordinator, who hands it to a worker, once as it is and once with more rights than it has. */
import { defineAgent } from '@corral/guest';
import { code } from '../code.ts';
import { endCodeOf, outputOf } from '../outcomes.ts';
import { uses } from './uses.ts';

const worker = defineAgent({
  name: 'worker',
  uses,
  spawns: {},
  async run({ caps }) {
    return { pay: await code(caps.pay({ amount: 1 })), read: await code(caps.read({ path: 'a' })) };
  },
});

const boss = defineAgent({
  name: 'boss',
  uses,
  spawns: { worker },
  async run({ caps, spawn }) {
    const mine = await code(caps.pay({ amount: 100 }));
    const same = await spawn(worker, {}, { caps: { pay: caps.pay, read: caps.read }, budget: { calls: 5 } }).ended;
    const given = {
      pay: caps.pay.attenuate({ rights: ['invoke', 'delegate', 'read'] }),
      read: caps.read.attenuate({ rights: ['delegate'] }),
    };
    const more = await spawn(worker, {}, { caps: given, budget: { calls: 5 } }).ended;
    return { mine, same: outputOf(same), more: outputOf(more) ?? endCodeOf(more) };
  },
});

export default defineAgent({
  name: 'owner',
  uses,
  spawns: { boss, worker },
  async run({ caps, spawn }) {
    const given = {
      pay: caps.pay.attenuate({ rights: ['delegate'], passes: ['invoke'] }),
      read: caps.read.attenuate({ rights: ['read', 'delegate'] }),
    };
    return outputOf(await spawn(boss, {}, { caps: given, budget: { calls: 20, children: 5 } }).ended);
  },
});
